// Options of ip(7), ipv6(7) and tcp(7) for which CRIU's format has fields.
import { create } from "@bufbuild/protobuf";
import {
  type InetSkEntry,
  type IpOptsEntry,
  IpOptsEntrySchema,
  IpOptsRawEntrySchema,
  type TcpOptsEntry,
  TcpOptsEntrySchema,
} from "../../../images/format/entries.js";
import {
  AF_INET6,
  ICMP_FILTER,
  ICMPV6_FILTER,
  IP,
  IPPROTO,
  IPV6,
  SOL_ICMPV6,
  SOL_IP,
  SOL_IPV6,
  SOL_RAW,
  SOL_TCP,
} from "../../../kernel/abi/in.js";
import { SOCK, type SocketKind, type SocketOption } from "../../../kernel/abi/socket.js";
import { TCP } from "../../../kernel/abi/tcp.js";
import { type AskedOptions, askOptions, readOptions } from "../../../kernel/asked-options.js";
import type { Fd } from "../../../kernel/brand.js";
import { writeInteger, writeOption } from "../../../kernel/socket-options.js";

export const kindOf = ({ family, type, proto }: InetSkEntry): SocketKind => ({ family, type, protocol: proto });

type Fields = {
  readonly freebind: SocketOption;
  readonly pktinfo: SocketOption;
  readonly tos?: SocketOption;
  readonly ttl?: SocketOption;
};
const v4: Fields = {
  freebind: { level: SOL_IP, name: IP.FREEBIND },
  pktinfo: { level: SOL_IP, name: IP.PKTINFO },
  tos: { level: SOL_IP, name: IP.TOS },
  ttl: { level: SOL_IP, name: IP.TTL },
};
const v6: Fields = {
  freebind: { level: SOL_IPV6, name: IPV6.FREEBIND },
  pktinfo: { level: SOL_IPV6, name: IPV6.RECVPKTINFO },
};
const fieldsOf = ({ family }: SocketKind) => (family === AF_INET6 ? v6 : v4);

type RawFields = { readonly hdrincl: SocketOption; readonly nodefrag?: SocketOption };
const rawV4: RawFields = {
  hdrincl: { level: SOL_IP, name: IP.HDRINCL },
  nodefrag: { level: SOL_IP, name: IP.NODEFRAG },
};
const rawV6: RawFields = { hdrincl: { level: SOL_IPV6, name: IPV6.HDRINCL } };
const rawFieldsOf = ({ family }: SocketKind) => (family === AF_INET6 ? rawV6 : rawV4);

/** Which ICMP messages a raw socket does not want to see: raw(7), RFC 3542. */
function icmpFilter({ family, protocol }: SocketKind): SocketOption | undefined {
  if (family === AF_INET6)
    return protocol === IPPROTO.ICMPV6 ? { level: SOL_ICMPV6, name: ICMPV6_FILTER, sizeBytes: 32 } : undefined;
  return protocol === IPPROTO.ICMP ? { level: SOL_RAW, name: ICMP_FILTER } : undefined;
}

/** A table of options by the names of their fields. */
type Fieldwise = Readonly<{ [field: string]: SocketOption | undefined }>;
/** As a list, one object each time. */
const lists = new WeakMap<Fieldwise, readonly SocketOption[]>();
function listOf(fields: Fieldwise): readonly SocketOption[] {
  const list = lists.get(fields) ?? Object.values(fields).filter((one) => one !== undefined);
  lists.set(fields, list);
  return list;
}

/** The values of options, by the names of their fields; those that are off are left out. */
function read<K extends string>(
  asked: AskedOptions,
  fields: Readonly<Partial<Record<K, SocketOption>>>,
): Partial<Record<K, number>> {
  const found: Partial<Record<K, number>> = {};
  let index = 0;
  for (const key in fields) {
    const value = asked.integer(index++);
    if (value !== undefined && value !== 0) found[key] = value;
  }
  return found;
}

/** What is asked of a socket. */
export const ipOptions = (kind: SocketKind): readonly SocketOption[] => listOf(fieldsOf(kind));

/** `asked`: the answers to `ipOptions`. */
export function collectIpOptions(socket: Fd, kind: SocketKind, asked: AskedOptions): IpOptsEntry {
  const { freebind, pktinfo, tos, ttl } = read<keyof Fields>(asked, fieldsOf(kind));
  const entry = create(IpOptsEntrySchema);
  if (freebind !== undefined) entry.freebind = true;
  if (pktinfo !== undefined) entry.pktinfo = true;
  if (tos !== undefined) entry.tos = tos;
  if (ttl !== undefined) entry.ttl = ttl;
  if (kind.type !== SOCK.SOCK_RAW) return entry;
  const fields = rawFieldsOf(kind);
  const raw = read<keyof RawFields>(askOptions(socket, listOf(fields)), fields);
  entry.raw = create(IpOptsRawEntrySchema, {
    ...(raw.hdrincl === undefined ? {} : { hdrincl: true }),
    ...(raw.nodefrag === undefined ? {} : { nodefrag: true }),
    icmpvFilter: collectIcmpFilter(socket, kind),
  });
  return entry;
}

function collectIcmpFilter(socket: Fd, kind: SocketKind): number[] {
  const option = icmpFilter(kind);
  if (option === undefined) return [];
  const [value = new Uint8Array()] = readOptions(socket, [option]);
  return [...new Uint32Array(value.slice().buffer)];
}

/** `usual`: what the socket has. */
export function applyIpOptions(socket: Fd, kind: SocketKind, entry: IpOptsEntry, usual?: IpOptsEntry): void {
  const { freebind, pktinfo, tos, ttl, raw } = entry;
  const set = (option: SocketOption | undefined, value: number, now = 0) => {
    if (option !== undefined && value !== 0 && value !== now) writeInteger(socket, option.level, option.name, value);
  };
  const fields = fieldsOf(kind);
  set(fields.freebind, Number(freebind), Number(usual?.freebind));
  set(fields.pktinfo, Number(pktinfo), Number(usual?.pktinfo));
  set(fields.tos, tos, usual?.tos);
  set(fields.ttl, ttl, usual?.ttl);
  if (raw === undefined) return;
  const { hdrincl, nodefrag } = rawFieldsOf(kind);
  set(hdrincl, Number(raw.hdrincl));
  set(nodefrag, Number(raw.nodefrag));
  const filter = icmpFilter(kind);
  if (filter !== undefined && raw.icmpvFilter.length > 0)
    writeOption(socket, filter.level, filter.name, new Uint8Array(Uint32Array.from(raw.icmpvFilter).buffer));
}

const tcp = {
  nodelay: { level: SOL_TCP, name: TCP.NODELAY },
  cork: { level: SOL_TCP, name: TCP.CORK },
  keepcnt: { level: SOL_TCP, name: TCP.KEEPCNT },
  keepidle: { level: SOL_TCP, name: TCP.KEEPIDLE },
  keepintvl: { level: SOL_TCP, name: TCP.KEEPINTVL },
} as const;

export const tcpOptions: readonly SocketOption[] = listOf(tcp);

/** `asked`: the answers to `tcpOptions`. */
export function collectTcpOptions(asked: AskedOptions): TcpOptsEntry {
  const { nodelay, cork, keepcnt, keepidle, keepintvl } = read(asked, tcp);
  const entry = create(TcpOptsEntrySchema);
  if (nodelay !== undefined) entry.nodelay = true;
  if (cork !== undefined) entry.cork = true;
  if (keepcnt !== undefined) entry.keepcnt = keepcnt;
  if (keepidle !== undefined) entry.keepidle = keepidle;
  if (keepintvl !== undefined) entry.keepintvl = keepintvl;
  return entry;
}

const TCP_FIELDS = Object.keys(tcp) as (keyof typeof tcp)[];

/** `usual`: what the socket has. */
export function applyTcpOptions(socket: Fd, entry: TcpOptsEntry, usual?: TcpOptsEntry): void {
  for (const key of TCP_FIELDS)
    if (Number(entry[key]) !== 0 && entry[key] !== usual?.[key])
      writeInteger(socket, SOL_TCP, tcp[key].name, Number(entry[key]));
}
