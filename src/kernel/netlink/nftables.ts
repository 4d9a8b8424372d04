// A table of nf_tables that lets nothing of some TCP connections pass, in either direction, made in one transaction: it needs no tool.
// Packets with a mark of their own pass: that is how we speak to a socket meanwhile.
import { IPPROTO } from "../abi/in.js";
import {
  AF_NETLINK,
  NETLINK_NETFILTER,
  NLA_F_NESTED,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
} from "../abi/netlink.js";
import * as nf from "../abi/nf-tables.js";
import { NFT_MSG } from "../abi/nf-tables.js";
import { SO_SNDBUFFORCE, SOCK, SOL_SOCKET } from "../abi/socket.js";
import { SyscallError } from "../errno.js";
import { type InetAddress, unmapped } from "../inet-address.js";
import { type OwnFd, own } from "../own-fd.js";
import { writeInteger } from "../socket-options.js";
import { sys } from "../syscalls.js";
import { encodeAttribute, encodeMessage, errorIn, messagesIn } from "./message.js";

/** The two ends of a TCP connection. */
export interface Connection {
  readonly source: InetAddress;
  readonly destination: InetAddress;
}

/** The mark that passes; CRIU's own number. */
export const PASSING_MARK = 0xc114;
const MOST_BYTES = 64 << 20;

export const openNetfilter = (): OwnFd => {
  const netlink = own(sys.socket(AF_NETLINK, SOCK.SOCK_RAW | SOCK.SOCK_CLOEXEC, NETLINK_NETFILTER));
  writeInteger(netlink.fd, SOL_SOCKET, SO_SNDBUFFORCE, MOST_BYTES);
  return netlink;
};

/** Throws SyscallError. `owned`: the table goes away when `netlink` is closed. */
export function blockConnections(
  netlink: OwnFd,
  table: string,
  connections: readonly Connection[],
  { owned }: { readonly owned: boolean },
): void {
  commit(netlink, [
    change(NFT_MSG.NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, [
      text(nf.NFTA_TABLE.NAME, table),
      number(nf.NFTA_TABLE.FLAGS, owned ? nf.NFT_TABLE_F_OWNER : 0),
    ]),
    ...[v4, v6].flatMap((family, index) => setOf(table, family, index, connections)),
    ...chainOf(table, "output", nf.NF_INET.LOCAL_OUT),
    ...chainOf(table, "input", nf.NF_INET.LOCAL_IN),
  ]);
}

/** Throws SyscallError; ENOENT: there is none. */
export function removeTable(netlink: OwnFd, table: string): void {
  commit(netlink, [change(NFT_MSG.DELTABLE, 0, [text(nf.NFTA_TABLE.NAME, table)])]);
}

interface Change {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

const change = (type: number, flags: number, attributes: readonly Uint8Array[]): Change => ({
  type: (nf.NFNL_SUBSYS_NFTABLES << 8) | type,
  flags,
  body: Buffer.concat([nf.nfgenmsg.encode({ nfgen_family: nf.NFPROTO.INET, version: 0, res_id: 0 }), ...attributes]),
});

/** All or nothing. The acknowledgement of the last change comes when all are in force. */
function commit(netlink: OwnFd, changes: readonly Change[]): void {
  const frame = nf.nfgenmsg.encode({ nfgen_family: 0, version: 0, res_id: nf.NFNL_SUBSYS_NFTABLES });
  const batch = Buffer.concat([
    encodeMessage(nf.NFNL_MSG_BATCH.BEGIN, 0, frame),
    ...changes.map(({ type, flags, body }, index) =>
      encodeMessage(type, index === changes.length - 1 ? flags | NLM_F_ACK : flags, body),
    ),
    encodeMessage(nf.NFNL_MSG_BATCH.END, 0, frame),
  ]);
  sys.write(netlink.fd, batch, batch.byteLength);
  const room = new Uint8Array(1 << 16);
  const [answer] = messagesIn(room.subarray(0, sys.read(netlink.fd, room, room.byteLength)));
  const failed = answer === undefined ? undefined : errorIn(answer);
  if (failed !== undefined && failed !== 0) throw new SyscallError("nf_tables", failed, []);
}

/** How a packet of a family is told: source address, port, destination address, port, each in registers of 4 bytes. */
interface Family {
  readonly protocol: number;
  readonly set: string;
  readonly addressBytes: number;
  readonly sourceOffset: number;
}
const v4: Family = { protocol: nf.NFPROTO.IPV4, set: "conns4", addressBytes: 4, sourceOffset: 12 };
const v6: Family = { protocol: nf.NFPROTO.IPV6, set: "conns6", addressBytes: 16, sourceOffset: 8 };
const PORT_BYTES = 4;
/** An attribute is at most 64 KiB long. */
const ELEMENTS_AT_ONCE = 1000;

function setOf(table: string, family: Family, index: number, connections: readonly Connection[]): Change[] {
  const { set, addressBytes } = family;
  const made = change(NFT_MSG.NEWSET, NLM_F_CREATE, [
    text(nf.NFTA_SET.TABLE, table),
    text(nf.NFTA_SET.NAME, set),
    number(nf.NFTA_SET.FLAGS, 0),
    number(nf.NFTA_SET.KEY_TYPE, keyTypeOf(family)),
    number(nf.NFTA_SET.KEY_LEN, 2 * (addressBytes + PORT_BYTES)),
    number(nf.NFTA_SET.ID, index + 1),
  ]);
  const keys = uniqueKeys(connections, addressBytes);
  const filled: Change[] = [];
  for (let from = 0; from < keys.length; from += ELEMENTS_AT_ONCE)
    filled.push(
      change(NFT_MSG.NEWSETELEM, NLM_F_CREATE, [
        text(nf.NFTA_SET_ELEM_LIST.TABLE, table),
        text(nf.NFTA_SET_ELEM_LIST.SET, set),
        nested(nf.NFTA_SET_ELEM_LIST.ELEMENTS, keys.slice(from, from + ELEMENTS_AT_ONCE).map(elementOf)),
      ]),
    );
  return [made, ...filled];
}

/** For nft(8) alone, 6 bits a field: ipv4_addr 7, ipv6_addr 8, inet_service 13. */
function keyTypeOf({ addressBytes }: Family): number {
  const address = addressBytes === 4 ? 7 : 8;
  return [address, 13, address, 13].reduce((type, field) => (type << 6) | field, 0);
}

/** Both directions of each; a connection with both its ends in the tree is there twice. */
function uniqueKeys(connections: readonly Connection[], addressBytes: number): Uint8Array[] {
  const keys = new Map<string, Uint8Array>();
  for (const { source, destination } of connections) {
    const [from, to] = [unmapped(source), unmapped(destination)];
    if (from.bytes.byteLength !== addressBytes) continue;
    for (const key of [keyOf(from, to), keyOf(to, from)]) keys.set(Buffer.from(key).toString("latin1"), key);
  }
  return [...keys.values()];
}

function keyOf(from: InetAddress, to: InetAddress): Uint8Array {
  const port = ({ port }: InetAddress) => Uint8Array.of(port >> 8, port & 0xff, 0, 0);
  return Buffer.concat([from.bytes, port(from), to.bytes, port(to)]);
}

const elementOf = (key: Uint8Array) =>
  nested(nf.NFTA_LIST_ELEM, [nested(nf.NFTA_SET_ELEM_KEY, [encodeAttribute(nf.NFTA_DATA.VALUE, key)])]);

function chainOf(table: string, chain: string, hook: number): Change[] {
  const made = change(NFT_MSG.NEWCHAIN, NLM_F_CREATE, [
    text(nf.NFTA_CHAIN.TABLE, table),
    text(nf.NFTA_CHAIN.NAME, chain),
    nested(nf.NFTA_CHAIN.HOOK, [number(nf.NFTA_HOOK.HOOKNUM, hook), number(nf.NFTA_HOOK.PRIORITY, 0)]),
    text(nf.NFTA_CHAIN.TYPE, "filter"),
  ]);
  const rules = [
    [
      ...meta(nf.NFT_META.MARK, Uint8Array.from(new Uint8Array(Uint32Array.of(PASSING_MARK).buffer))),
      verdict("ACCEPT"),
    ],
    blocking(v4),
    blocking(v6),
  ];
  return [
    made,
    ...rules.map((expressions) =>
      change(NFT_MSG.NEWRULE, NLM_F_CREATE | NLM_F_APPEND, [
        text(nf.NFTA_RULE.TABLE, table),
        text(nf.NFTA_RULE.CHAIN, chain),
        nested(nf.NFTA_RULE.EXPRESSIONS, expressions),
      ]),
    ),
  ];
}

function blocking({ protocol, set, addressBytes, sourceOffset }: Family): Uint8Array[] {
  const { NETWORK_HEADER, TRANSPORT_HEADER } = nf.NFT_PAYLOAD;
  const words = addressBytes / 4;
  return [
    ...meta(nf.NFT_META.NFPROTO, Uint8Array.of(protocol)),
    ...meta(nf.NFT_META.L4PROTO, Uint8Array.of(IPPROTO.TCP)),
    payload(0, NETWORK_HEADER, sourceOffset, addressBytes),
    payload(words, TRANSPORT_HEADER, 0, 2),
    payload(words + 1, NETWORK_HEADER, sourceOffset + addressBytes, addressBytes),
    payload(2 * words + 1, TRANSPORT_HEADER, 2, 2),
    expression("lookup", [text(nf.NFTA_LOOKUP.SET, set), number(nf.NFTA_LOOKUP.SREG, nf.NFT_REG32_00)]),
    verdict("DROP"),
  ];
}

/** Goes on with the rule where the packet has this value. */
const meta = (key: number, value: Uint8Array): Uint8Array[] => [
  expression("meta", [number(nf.NFTA_META.KEY, key), number(nf.NFTA_META.DREG, nf.NFT_REG32_00)]),
  expression("cmp", [
    number(nf.NFTA_CMP.SREG, nf.NFT_REG32_00),
    number(nf.NFTA_CMP.OP, nf.NFT_CMP_EQ),
    nested(nf.NFTA_CMP.DATA, [encodeAttribute(nf.NFTA_DATA.VALUE, value)]),
  ]),
];

const payload = (register: number, base: number, offset: number, length: number): Uint8Array =>
  expression("payload", [
    number(nf.NFTA_PAYLOAD.DREG, nf.NFT_REG32_00 + register),
    number(nf.NFTA_PAYLOAD.BASE, base),
    number(nf.NFTA_PAYLOAD.OFFSET, offset),
    number(nf.NFTA_PAYLOAD.LEN, length),
  ]);

const verdict = (name: keyof typeof nf.NF_VERDICT): Uint8Array =>
  expression("immediate", [
    number(nf.NFTA_IMMEDIATE.DREG, nf.NFT_REG_VERDICT),
    nested(nf.NFTA_IMMEDIATE.DATA, [nested(nf.NFTA_DATA.VERDICT, [number(nf.NFTA_VERDICT_CODE, nf.NF_VERDICT[name])])]),
  ]);

const expression = (name: string, data: readonly Uint8Array[]): Uint8Array =>
  nested(nf.NFTA_LIST_ELEM, [text(nf.NFTA_EXPR.NAME, name), nested(nf.NFTA_EXPR.DATA, data)]);

const nested = (type: number, attributes: readonly Uint8Array[]): Uint8Array =>
  encodeAttribute(type | NLA_F_NESTED, Buffer.concat(attributes));
const text = (type: number, value: string): Uint8Array => encodeAttribute(type, Buffer.from(`${value}\0`));
function number(type: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return encodeAttribute(type, bytes);
}
