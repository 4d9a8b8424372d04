// Internet sockets on a restore: all at once, before a task has any, since two that share an address need each other's consent.
import { isFieldSet } from "@bufbuild/protobuf";
import { type InetSkEntry, InetSkEntrySchema, SkShutdown } from "../../../images/format/entries.js";
import { AF_INET6, IPPROTO, IPV6, SOL_IP, SOL_IPV6, SOL_TCP } from "../../../kernel/abi/in.js";
import {
  SHUT_RD,
  SHUT_RDWR,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK,
  SOL_SOCKET,
  type SocketKind,
} from "../../../kernel/abi/socket.js";
import { TCP, TCP_REPAIR, TCP_STATE } from "../../../kernel/abi/tcp.js";
import { failureOf, prepared, runTogether } from "../../../kernel/batch.js";
import { asFd, type Fd } from "../../../kernel/brand.js";
import { DeferredCalls, except } from "../../../kernel/deferred-calls.js";
import { SyscallError, unless } from "../../../kernel/errno.js";
import { encodeAddress, type InetAddress, isUnspecified, showAddress } from "../../../kernel/inet-address.js";
import { interfaceIndex } from "../../../kernel/interface-name.js";
import { type OwnFd, own } from "../../../kernel/own-fd.js";
import { integerBytes, writeInteger } from "../../../kernel/socket-options.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { RestoreContext } from "../../kind.js";
import { destinationOf, isConnection, sourceOf } from "./inet-entry.js";
import { type UsualInet, usualInet } from "./inet-usual.js";
import { validateInet } from "./inet-validate.js";
import { applyIpOptions, applyTcpOptions, kindOf } from "./ip-options.js";
import { applyMoreOptions } from "./more-options.js";
import { openNetwork } from "./network-lock.js";
import { applySocketOptions, isAsUsual } from "./options.js";
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
  /** By kind. */
  readonly #usual = new Map<string, UsualInet>();
  #isBuilt = false;

  constructor(private readonly context: RestoreContext) {}

  note(entry: InetSkEntry): void {
    const { options, images } = this.context;
    validateInet(entry, options);
    this.#entries.push(entry);
    if (isConnection(entry) && !options.tcpClose) this.#streams.set(entry, readStreamImage(images, entry));
  }

  /** Neither somebody else's nor a connection. */
  isOwn(entry: InetSkEntry): boolean {
    return !this.context.inherited.has(`socket:[${entry.ino}]`) && !this.#streams.has(entry);
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
    const deferred = new DeferredCalls();
    for (const [entry, socket] of this.#newOnes(others)) this.#makeUnconnected(entry, socket, deferred);
    deferred.now();
    for (const entry of this.#entries) if (isConnection(entry)) this.#makeConnection(entry);
    for (const [entry, socket] of this.#made) if (!this.#streams.has(entry)) settleReuse(socket, entry, deferred);
    deferred.now();
  }

  #makeUnconnected(entry: InetSkEntry, socket: Fd, deferred: DeferredCalls): void {
    applyOptions(socket, entry, this.#usualOf(kindOf(entry)));
    bindAgain(socket, entry, deferred);
    if (entry.state === TCP_STATE.LISTEN) deferred.later(prepared.listen(socket, entry.backlog));
    const destination = destinationOf(entry);
    if (entry.type !== SOCK.SOCK_STREAM && !isUnspecified(destination))
      connectAgain(socket, entry, destination, deferred);
    const messages = this.context.once(RestoredQueues).of(entry.id);
    if (messages.length > 0 && isUdp(kindOf(entry))) {
      deferred.now();
      deliverAgain(socket, entry, messages, this.context.log);
    }
    const how = HOW[entry.shutdown];
    if (how !== undefined) deferred.later(prepared.shutdown(socket, how), except("ENOTCONN"));
  }

  #usualOf(kind: SocketKind): UsualInet {
    const key = `${kind.family} ${kind.type} ${kind.protocol}`;
    const usual = this.#usual.get(key) ?? usualInet(kind);
    this.#usual.set(key, usual);
    return usual;
  }

  #makeConnection(entry: InetSkEntry): void {
    const [[, socket] = throwNotMade(entry)] = this.#newOnes([entry]);
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
      const deferred = new DeferredCalls();
      settleReuse(socket, entry, deferred);
      deferred.now();
    }
  }

  #newOnes(entries: readonly InetSkEntry[]): [InetSkEntry, Fd][] {
    const calls = entries.map((entry) => {
      const { family, type, protocol } = kindOf(entry);
      return prepared.socket(family, type | SOCK.SOCK_CLOEXEC, protocol);
    });
    const results = runTogether(calls);
    const made = entries.flatMap((entry, index): [InetSkEntry, Fd][] => {
      const result = Number(results[index]);
      if (result < 0) return [];
      const owned = this.context.scope.use(own(asFd(result)));
      this.#made.set(entry, owned.fd);
      this.#owned.set(entry, owned);
      return [[entry, owned.fd]];
    });
    const failure = calls.map((call, index) => failureOf(call, results[index] ?? 0n)).find((one) => one !== undefined);
    if (failure !== undefined) throw failure;
    for (const [entry, socket] of made) this.#tellV6only(entry, socket);
    return made;
  }

  /** A raw socket, which has its protocol as port, counts as bound, and cannot be told any more. */
  #tellV6only(entry: InetSkEntry, socket: Fd): void {
    if (!isFieldSet(entry, InetSkEntrySchema.field.v6only)) return;
    if (this.#usualOf(kindOf(entry)).v6only === Number(entry.v6only)) return;
    writeInteger(socket, SOL_IPV6, IPV6.V6ONLY, Number(entry.v6only));
  }
}

function throwNotMade({ id }: InetSkEntry): never {
  throw new RangeError(`internet socket ${id} was not made`);
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

/**
 * IP_TOS moves SO_PRIORITY, and so comes before it; SO_LOCK_FILTER of the last ones comes after the filter. `usual`: what the socket has, which was
 * just made.
 */
export function applyOptions(socket: Fd, entry: InetSkEntry, usual?: UsualInet): void {
  const { ipOpts, opts, tcpOpts, moreOpts } = entry;
  const kind = kindOf(entry);
  if (ipOpts !== undefined) applyIpOptions(socket, kind, ipOpts, usual?.ip);
  const isUsual = usual !== undefined && (ipOpts?.tos ?? 0) === usual.ip.tos;
  if (opts !== undefined && !(isUsual && isAsUsual(opts, usual.opts))) applySocketOptions(socket, opts);
  if (tcpOpts !== undefined && kind.type === SOCK.SOCK_STREAM) applyTcpOptions(socket, tcpOpts, usual?.tcp);
  applyMoreOptions(socket, moreOpts);
}

const [OFF, ON] = [integerBytes(0), integerBytes(1)];
const setting = (socket: Fd, level: number, name: number, value: boolean) =>
  prepared.setsockopt(socket, level, name, value ? ON : OFF, ON.byteLength);

function bindAgain(socket: Fd, entry: InetSkEntry, deferred: DeferredCalls): void {
  const address = { ...sourceOf(entry), scope: scopeOf(socket, entry) };
  // What getsockname(2) shows as the port of a raw socket is its protocol.
  const wanted = entry.type === SOCK.SOCK_RAW ? { ...address, port: 0 } : address;
  if (isUnspecified(wanted)) return;
  deferred.later(setting(socket, SOL_SOCKET, SO_REUSEADDR, true));
  // Two that listen need this too. Datagram sockets would have their datagrams shared out from then on.
  if (entry.type === SOCK.SOCK_STREAM) deferred.later(setting(socket, SOL_SOCKET, SO_REUSEPORT, true));
  // A tentative IPv6 address (duplicate address detection) cannot be bound to otherwise.
  const isFreed = entry.family === AF_INET6 && entry.ipOpts?.freebind !== true;
  if (isFreed) deferred.later(setting(socket, SOL_IPV6, IPV6.FREEBIND, true));
  const bytes = encodeAddress(wanted);
  deferred.later(prepared.bind(socket, bytes, bytes.byteLength), (error) => {
    throw refused(entry, wanted, "bind it to", error);
  });
  if (isFreed) deferred.later(setting(socket, SOL_IPV6, IPV6.FREEBIND, false));
}

function connectAgain(socket: Fd, entry: InetSkEntry, destination: InetAddress, deferred: DeferredCalls): void {
  const bytes = encodeAddress({ ...destination, scope: scopeOf(socket, entry) });
  deferred.later(prepared.connect(socket, bytes, bytes.byteLength), (error) => {
    throw refused(entry, destination, "connect it to", error);
  });
}

export function scopeOf(socket: Fd, { ifname }: InetSkEntry): number {
  return ifname === "" ? 0 : (interfaceIndex(socket, ifname) ?? 0);
}

/** They were all set for the time of binding. */
function settleReuse(socket: Fd, { opts, proto }: InetSkEntry, deferred: DeferredCalls): void {
  if (opts === undefined) return;
  deferred.later(setting(socket, SOL_SOCKET, SO_REUSEADDR, opts.reuseaddr));
  if (proto !== IPPROTO.ICMP)
    deferred.later(setting(socket, SOL_SOCKET, SO_REUSEPORT, opts.soReuseport), except("EOPNOTSUPP"));
}

function reporting(entry: InetSkEntry, address: InetAddress, what: string, run: () => void): void {
  try {
    run();
  } catch (error) {
    throw error instanceof SyscallError ? refused(entry, address, what, error) : error;
  }
}

const refused = ({ id }: InetSkEntry, address: InetAddress, what: string, { errno }: SyscallError) =>
  new StasisError({
    code: "KERNEL_REFUSED",
    doing: "restore the file",
    subject: { kind: "image", file: "files.img" },
    reason: `socket (file ${id}): the kernel refused to ${what} ${showAddress(address)} (${errno})`,
    remedy: remedies[errno] ?? "look whether the network is as it was",
  });
const remedies: Readonly<Record<string, string>> = {
  EADDRINUSE: "end the program that uses this address",
  EADDRNOTAVAIL: "give an interface this address",
};
