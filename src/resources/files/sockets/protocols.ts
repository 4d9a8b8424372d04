// Which internet sockets are known, and what the others are called.
import { IPPROTO } from "../../../kernel/abi/in.js";
import { SOCK, type SocketKind } from "../../../kernel/abi/socket.js";
import type { OpenFile } from "../../kind.js";
import { refuseFile } from "../refuse.js";

const streams = [IPPROTO.TCP];
const datagrams = [IPPROTO.UDP, IPPROTO.UDPLITE, IPPROTO.ICMP, IPPROTO.ICMPV6];

export function isKnown({ type, protocol }: SocketKind): boolean {
  if (type === SOCK.SOCK_RAW) return true;
  return (type === SOCK.SOCK_STREAM ? streams : type === SOCK.SOCK_DGRAM ? datagrams : []).includes(protocol);
}

const others: Readonly<Record<number, { readonly name: string; readonly remedy: string }>> = {
  [IPPROTO.MPTCP]: {
    name: "multipath TCP",
    remedy: "have the program use plain TCP (of Go programs: GODEBUG=multipathtcp=0)",
  },
  [IPPROTO.SCTP]: { name: "SCTP, sctp(7)", remedy: "have the program close it before the dump" },
};

export function checkProtocol({ subject }: OpenFile, kind: SocketKind): void {
  if (isKnown(kind)) return;
  const { name, remedy } = others[kind.protocol] ?? {
    name: `IP protocol ${kind.protocol}`,
    remedy: "have the program close it before the dump",
  };
  throw refuseFile(subject, `sockets of ${name} are not supported`, remedy);
}
