// Options of internet and unix sockets for which CRIU's format has no field: `more_opts` of their entries, which CRIU passes over. Those are saved that
// differ from a new socket's.
import { create } from "@bufbuild/protobuf";
import { type SocketOptionEntry, SocketOptionEntrySchema } from "../../../images/format/entries.js";
import {
  AF_INET,
  AF_INET6,
  IP,
  IPPROTO,
  IPV6,
  SOL_IP,
  SOL_IPV6,
  SOL_TCP,
  SOL_UDP,
  SOL_UDPLITE,
  UDP,
  UDPLITE,
} from "../../../kernel/abi/in.js";
import { MCAST } from "../../../kernel/abi/multicast.js";
import * as so from "../../../kernel/abi/socket.js";
import { AF_UNIX, SOCK, SOL_SOCKET, type SocketKind, type SocketOption } from "../../../kernel/abi/socket.js";
import { TCP } from "../../../kernel/abi/tcp.js";
import { type AskedOptions, askOptions, type KnownOptions } from "../../../kernel/asked-options.js";
import type { Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { own } from "../../../kernel/own-fd.js";
import { writeOption } from "../../../kernel/socket-options.js";
import { sys } from "../../../kernel/syscalls.js";
import { isMembership, joinAgain } from "./multicast.js";

const at = (level: number, ...names: readonly number[]): SocketOption[] => names.map((name) => ({ level, name }));

/** SO_LOCK_FILTER stands last: nothing of the filter can be set after it. */
const forAll = [
  { level: SOL_SOCKET, name: so.SO_MAX_PACING_RATE, sizeBytes: 8 },
  ...at(SOL_SOCKET, so.SO_TIMESTAMP, so.SO_TIMESTAMPNS, so.SO_TIMESTAMPING, so.SO_TIMESTAMP_NEW, so.SO_TIMESTAMPNS_NEW),
  ...at(SOL_SOCKET, so.SO_TIMESTAMPING_NEW, so.SO_RXQ_OVFL, so.SO_PEEK_OFF, so.SO_BUSY_POLL, so.SO_ZEROCOPY),
  ...at(SOL_SOCKET, so.SO_PREFER_BUSY_POLL, so.SO_TXREHASH, so.SO_RCVMARK, so.SO_LOCK_FILTER),
];
const forV4 = [
  { level: SOL_IP, name: IP.OPTIONS, sizeBytes: 40 },
  ...at(SOL_IP, IP.RECVOPTS, IP.RETOPTS, IP.MTU_DISCOVER, IP.RECVERR, IP.RECVTTL, IP.RECVTOS, IP.PASSSEC),
  ...at(SOL_IP, IP.TRANSPARENT, IP.RECVORIGDSTADDR, IP.MINTTL, IP.CHECKSUM, IP.BIND_ADDRESS_NO_PORT),
  ...at(SOL_IP, IP.RECVFRAGSIZE, IP.RECVERR_RFC4884),
  ...at(SOL_IP, IP.UNICAST_IF, IP.LOCAL_PORT_RANGE),
];
const forV6 = [
  ...at(SOL_IPV6, IPV6.UNICAST_HOPS, IPV6.MTU_DISCOVER),
  ...at(SOL_IPV6, IPV6.RECVERR, IPV6.RECVERR_RFC4884, IPV6.RECVHOPLIMIT, IPV6.RECVHOPOPTS),
  ...at(SOL_IPV6, IPV6.RECVRTHDR, IPV6.RECVDSTOPTS, IPV6.RECVPATHMTU, IPV6.DONTFRAG, IPV6.RECVTCLASS, IPV6.TCLASS),
  ...at(SOL_IPV6, IPV6.AUTOFLOWLABEL, IPV6.ADDR_PREFERENCES, IPV6.MINHOPCOUNT, IPV6.RECVORIGDSTADDR),
  ...at(SOL_IPV6, IPV6.TRANSPARENT, IPV6.UNICAST_IF, IPV6.RECVFRAGSIZE),
  ...at(SOL_IP, IP.LOCAL_PORT_RANGE, IP.BIND_ADDRESS_NO_PORT),
];
/** Streams may not be told. */
const multicastV4 = at(SOL_IP, IP.MULTICAST_TTL, IP.MULTICAST_LOOP, IP.MULTICAST_ALL);
const multicastV6 = at(SOL_IPV6, IPV6.MULTICAST_IF, IPV6.MULTICAST_HOPS, IPV6.MULTICAST_LOOP, IPV6.MULTICAST_ALL);
const forTcp = [
  { level: SOL_TCP, name: TCP.CONGESTION, sizeBytes: 16 },
  ...at(SOL_TCP, TCP.SYNCNT, TCP.LINGER2, TCP.DEFER_ACCEPT, TCP.THIN_LINEAR_TIMEOUTS, TCP.USER_TIMEOUT),
  // Without it a connection keeps what it had while its queues were filled.
  ...at(SOL_TCP, TCP.WINDOW_CLAMP),
  ...at(SOL_TCP, TCP.NOTSENT_LOWAT, TCP.SAVE_SYN, TCP.INQ, TCP.TX_DELAY),
];
/** Of a connection they tell something else. */
const withoutConnection = at(SOL_TCP, TCP.MAXSEG, TCP.FASTOPEN, TCP.FASTOPEN_CONNECT);
const forUnix = at(SOL_SOCKET, so.SO_PASSPIDFD, so.SO_PASSRIGHTS, so.SO_INQ);
const forUdp = at(SOL_UDP, UDP.ENCAP, UDP.NO_CHECK6_TX, UDP.NO_CHECK6_RX, UDP.SEGMENT, UDP.GRO);
const forUdpLite = at(SOL_UDPLITE, UDPLITE.SEND_CSCOV, UDPLITE.RECV_CSCOV);

const byProtocol: Readonly<Record<number, SocketOption[]>> = {
  [IPPROTO.TCP]: [...forTcp, ...withoutConnection],
  [IPPROTO.UDP]: forUdp,
  [IPPROTO.UDPLITE]: [...forUdp, ...forUdpLite],
};

function optionsOf({ family, type, protocol }: SocketKind): SocketOption[] {
  if (family === AF_UNIX) return [...forUnix, ...forAll];
  const ofRaw = family === AF_INET6 && type === SOCK.SOCK_RAW ? at(SOL_IPV6, IPV6.CHECKSUM) : [];
  const ofProtocol = type === SOCK.SOCK_RAW ? ofRaw : (byProtocol[protocol] ?? []);
  const [ofFamily, multicast] = family === AF_INET ? [forV4, multicastV4] : [forV6, multicastV6];
  return [...ofFamily, ...(type === SOCK.SOCK_STREAM ? [] : multicast), ...ofProtocol, ...forAll];
}

/** Options of a kind of socket, and what a new one has; asked for once in a dump. */
export class MoreOptions {
  readonly options: readonly SocketOption[];
  /** Absent: we may not have one. */
  readonly #usual: KnownOptions | undefined;

  constructor(kind: SocketKind) {
    const { family, type, protocol } = kind;
    this.options = optionsOf(kind);
    // EACCES: net.ipv4.ping_group_range leaves us out. Then all of them are saved.
    const number = unless("EACCES", () => sys.socket(family, type | SOCK.SOCK_CLOEXEC, protocol));
    using fresh = number === undefined ? undefined : own(number);
    this.#usual = fresh && askOptions(fresh.fd, this.options).copy();
  }

  /** `asked`: the answers to `options`. */
  collect(asked: AskedOptions, { isConnection }: { readonly isConnection: boolean }): SocketOptionEntry[] {
    const usual = this.#usual;
    if (usual !== undefined && asked.equals(usual)) return [];
    return this.options.flatMap((option, index) => {
      if (isConnection && withoutConnection.includes(option)) return [];
      const value = asked.value(index);
      const same = usual?.values[index];
      if (value === undefined || (same !== undefined && Buffer.compare(value, same) === 0)) return [];
      return [create(SocketOptionEntrySchema, { level: option.level, name: option.name, value: value.slice() })];
    });
  }
}

/** An image may not set whatever it likes. */
export const isCarried = (kind: SocketKind, entry: SocketOptionEntry): boolean =>
  isMembership(kind, entry) || optionsOf(kind).some(({ level, name }) => level === entry.level && name === entry.name);

/** Throws SyscallError where this kernel does not take one. */
export function applyMoreOptions(socket: Fd, entries: readonly SocketOptionEntry[]): void {
  for (const entry of entries) {
    if (entry.name === MCAST.MSFILTER && (entry.level === SOL_IP || entry.level === SOL_IPV6)) joinAgain(socket, entry);
    else writeOption(socket, entry.level, entry.name, entry.value);
  }
}
