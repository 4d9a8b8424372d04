// Internet sockets on a restore: all at once, before a task has any, since two that share an address need each other's consent.
import { isFieldSet } from "@bufbuild/protobuf";
import { type InetSkEntry, InetSkEntrySchema, SkShutdown } from "../../../images/format/entries.js";
import { AF_INET, AF_INET6, IPPROTO, IPV6, SOL_IP, SOL_IPV6, SOL_TCP } from "../../../kernel/abi/in.js";
import { SHUT_RD, SHUT_RDWR, SO_REUSEADDR, SO_REUSEPORT, SOCK, SOL_SOCKET } from "../../../kernel/abi/socket.js";
import { TCP, TCP_REPAIR, TCP_STATE } from "../../../kernel/abi/tcp.js";
import type { Fd } from "../../../kernel/brand.js";
import { SyscallError, unless } from "../../../kernel/errno.js";
import {
  bindToAddress,
  connectToAddress,
  type InetAddress,
  isUnspecified,
  showAddress,
} from "../../../kernel/inet-address.js";
import { interfaceIndex } from "../../../kernel/interface-name.js";
import { type OwnFd, own } from "../../../kernel/own-fd.js";
import { readInteger, writeInteger } from "../../../kernel/socket-options.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { RestoreContext } from "../../kind.js";
import { destinationOf, isConnection, sourceOf } from "./inet-entry.js";
import { validateInet } from "./inet-validate.js";
import { applyIpOptions, applyTcpOptions, kindOf } from "./ip-options.js";
import { applyMoreOptions } from "./more-options.js";
import { openNetwork } from "./network-lock.js";
import { applySocketOptions } from "./options.js";
import { RestoredQueues } from "./queues.js";
import { buildConnection } from "./tcp-build.js";
import { finsOf } from "./tcp-fins.js";
import type { TcpStream } from "./tcp-stream.js";
import { readStreamImage } from "./tcp-stream-image.js";
import { isUdp } from "./udp-queue.js";
import { deliverAgain } from "./udp-restored.js";

export class RestoredInetSockets {
  readonly #entries: InetSkEntry[] = [];
  readonly #made = new Map<InetSkEntry, Fd>();
  /** Ours until they are asked for. */
  readonly #owned = new Map<InetSkEntry, OwnFd>();
  readonly #streams = new Map<InetSkEntry, TcpStream>();
  #isBuilt = false;

  constructor(private readonly context: RestoreContext) {}

  note(entry: InetSkEntry): void {
    const { options, images } = this.context;
    validateInet(entry, options);
    this.#entries.push(entry);
    if (isConnection(entry) && !options.tcpClose) this.#streams.set(entry, readStreamImage(images, entry));
  }

  open(entry: InetSkEntry): Fd {
    const inherited = this.context.inherited.get(`socket:[${entry.ino}]`);
    if (inherited !== undefined) return sys.dup(inherited);
    if (!this.#isBuilt) this.#build();
    const owned = this.#owned.get(entry);
    if (owned === undefined) throw new RangeError(`internet socket ${entry.id} was not made`);
    // A connection is told when to go on, at the very end.
    return this.#streams.has(entry) ? sys.dup(owned.fd) : owned.release();
  }

  #build(): void {
    this.#isBuilt = true;
    // The kernel finds the youngest of several datagram sockets with one address: inode numbers tell their order.
    const others = this.#entries.filter((entry) => !isConnection(entry)).sort((a, b) => a.ino - b.ino);
    for (const entry of others) this.#makeUnconnected(entry);
    for (const entry of this.#entries) if (isConnection(entry)) this.#makeConnection(entry);
    for (const [entry, socket] of this.#made) if (!this.#streams.has(entry)) settleReuse(socket, entry);
  }

  #makeUnconnected(entry: InetSkEntry): void {
    const socket = this.#new(entry);
    applyOptions(socket, entry);
    bindAgain(socket, entry);
    if (entry.state === TCP_STATE.LISTEN) sys.listen(socket, entry.backlog);
    const destination = destinationOf(entry);
    if (entry.type !== SOCK.SOCK_STREAM && !isUnspecified(destination)) connectAgain(socket, entry, destination);
    if (isUdp(kindOf(entry)))
      deliverAgain(socket, entry, this.context.once(RestoredQueues).of(entry.id), this.context.log);
    const how = HOW[entry.shutdown];
    if (how !== undefined) unless("ENOTCONN", () => sys.shutdown(socket, how));
  }

  #makeConnection(entry: InetSkEntry): void {
    const socket = this.#new(entry);
    if (this.context.options.tcpClose) {
      applyOptions(socket, entry);
      unless("ENOTCONN", () => sys.shutdown(socket, SHUT_RDWR));
      return;
    }
    const stream = this.#streams.get(entry);
    if (stream === undefined) throw new RangeError(`TCP connection ${entry.id} has no stream`);
    applyEarly(socket, entry);
    reporting(entry, destinationOf(entry), "connect it to", () => buildConnection(socket, entry, stream));
    applyOptions(socket, entry);
    if (entry.shutdown === SkShutdown.READ && !finsOf(entry.state).theirs) sys.shutdown(socket, SHUT_RD);
  }

  /** The last step but letting the tasks run: from here on the other sides hear of us. */
  resume(): void {
    const connections = [...this.#made].filter(([entry]) => this.#streams.has(entry));
    if (connections.length === 0) return;
    const { networkLock, runId } = this.context.inventory;
    const ends = connections.map(([entry]) => ({ source: sourceOf(entry), destination: destinationOf(entry) }));
    openNetwork(networkLock, runId, ends);
    for (const [entry, socket] of connections) {
      // A window probe goes out, and the other side tells where it is.
      writeInteger(socket, SOL_TCP, TCP.REPAIR, TCP_REPAIR.OFF);
      settleReuse(socket, entry);
    }
  }

  #new(entry: InetSkEntry): Fd {
    const { family, type, protocol } = kindOf(entry);
    const owned = this.context.scope.use(own(sys.socket(family, type | SOCK.SOCK_CLOEXEC, protocol)));
    const socket = owned.fd;
    this.#made.set(entry, socket);
    this.#owned.set(entry, owned);
    // A raw socket, which has its protocol as port, counts as bound, and cannot be told any more.
    const isTold = isFieldSet(entry, InetSkEntrySchema.field.v6only);
    if (isTold && readInteger(socket, SOL_IPV6, IPV6.V6ONLY) !== Number(entry.v6only))
      writeInteger(socket, SOL_IPV6, IPV6.V6ONLY, Number(entry.v6only));
    return socket;
  }
}

/** shutdown(2): SHUT_RD, SHUT_WR, SHUT_RDWR. */
const HOW: Readonly<Record<number, number | undefined>> = {
  [SkShutdown.READ]: 0,
  [SkShutdown.WRITE]: 1,
  [SkShutdown.BOTH]: 2,
};

/** What has to be known before it is bound and connected. */
function applyEarly(socket: Fd, entry: InetSkEntry): void {
  if (entry.ipOpts !== undefined) applyIpOptions(socket, kindOf(entry), entry.ipOpts);
  applyMoreOptions(
    socket,
    entry.moreOpts.filter(({ level }) => level === SOL_IP || level === SOL_IPV6),
  );
}

/** IP_TOS moves SO_PRIORITY, and so comes before it; SO_LOCK_FILTER of the last ones comes after the filter. */
export function applyOptions(socket: Fd, entry: InetSkEntry): void {
  const kind = kindOf(entry);
  if (entry.ipOpts !== undefined) applyIpOptions(socket, kind, entry.ipOpts);
  if (entry.opts !== undefined) applySocketOptions(socket, entry.opts);
  if (entry.tcpOpts !== undefined && kind.type === SOCK.SOCK_STREAM) applyTcpOptions(socket, entry.tcpOpts);
  applyMoreOptions(socket, entry.moreOpts);
}

function bindAgain(socket: Fd, entry: InetSkEntry): void {
  const address = { ...sourceOf(entry), scope: scopeOf(socket, entry) };
  // What getsockname(2) shows as the port of a raw socket is its protocol.
  const wanted = entry.type === SOCK.SOCK_RAW ? { ...address, port: 0 } : address;
  if (isUnspecified(wanted)) return;
  writeInteger(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  // Two that listen need this too. Datagram sockets would have their datagrams shared out from then on.
  if (entry.type === SOCK.SOCK_STREAM) writeInteger(socket, SOL_SOCKET, SO_REUSEPORT, 1);
  reporting(entry, wanted, "bind it to", () => {
    // A tentative IPv6 address (duplicate address detection) cannot be bound to otherwise.
    const isFree = entry.ipOpts?.freebind === true;
    if (entry.family === AF_INET6 && !isFree) writeInteger(socket, SOL_IPV6, IPV6.FREEBIND, 1);
    bindToAddress(socket, wanted);
    if (entry.family === AF_INET6 && !isFree) writeInteger(socket, SOL_IPV6, IPV6.FREEBIND, 0);
  });
}

function connectAgain(socket: Fd, entry: InetSkEntry, destination: InetAddress): void {
  const scope = scopeOf(socket, entry);
  reporting(entry, destination, "connect it to", () => connectToAddress(socket, { ...destination, scope }));
}

export function scopeOf(socket: Fd, { ifname }: InetSkEntry): number {
  return ifname === "" ? 0 : (interfaceIndex(socket, ifname) ?? 0);
}

/** They were all set for the time of binding. */
export function settleReuse(socket: Fd, { opts, family, proto }: InetSkEntry): void {
  if (opts === undefined) return;
  writeInteger(socket, SOL_SOCKET, SO_REUSEADDR, Number(opts.reuseaddr));
  if ((family === AF_INET || family === AF_INET6) && proto !== IPPROTO.ICMP)
    unless("EOPNOTSUPP", () => writeInteger(socket, SOL_SOCKET, SO_REUSEPORT, Number(opts.soReuseport)));
}

export function reporting(entry: InetSkEntry, address: InetAddress, what: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new StasisError({
      code: "KERNEL_REFUSED",
      doing: "restore the file",
      subject: { kind: "image", file: "files.img" },
      reason: `socket (file ${entry.id}): the kernel refused to ${what} ${showAddress(address)} (${error.errno})`,
      remedy: remedies[error.errno] ?? "look whether the network is as it was",
    });
  }
}
const remedies: Readonly<Record<string, string>> = {
  EADDRINUSE: "end the program that uses this address",
  EADDRNOTAVAIL: "give an interface this address",
};
