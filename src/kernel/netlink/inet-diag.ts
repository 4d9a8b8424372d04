// What only sock_diag(7) tells of internet sockets: net/ipv4/inet_diag.c, net/ipv4/udp_diag.c. They cannot be asked for by inode number.
import { AF_NETLINK, NETLINK_SOCK_DIAG, NLM_F_DUMP } from "../abi/netlink.js";
import { INET_DIAG, inet_diag_msg, inet_diag_req_v2, SOCK_DIAG_BY_FAMILY } from "../abi/sock-diag.js";
import { SOCK } from "../abi/socket.js";
import { errno, SyscallError } from "../errno.js";
import { own } from "../own-fd.js";
import { sys } from "../syscalls.js";
import { attributesIn, encodeMessage, errorIn, isEnd, messagesIn } from "./message.js";

const ANY_STATE = 0xffffffff;
const ANSWER_BYTES = 64 * 1024;

/** By inode number: which directions were shut down, RCV_SHUTDOWN 1, SEND_SHUTDOWN 2. Empty where the kernel cannot tell of the protocol. */
export function inetShutdowns(family: number, protocol: number): Map<number, number> {
  using netlink = own(sys.socket(AF_NETLINK, SOCK.SOCK_RAW | SOCK.SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  const request = inet_diag_req_v2.encode({
    sdiag_family: family,
    sdiag_protocol: protocol,
    idiag_ext: 1 << (INET_DIAG.SHUTDOWN - 1),
    idiag_states: ANY_STATE,
    id: new Uint8Array(48),
  });
  const question = encodeMessage(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request);
  sys.write(netlink.fd, question, question.byteLength);
  const found = new Map<number, number>();
  const room = new Uint8Array(ANSWER_BYTES);
  while (readAnswer(room.subarray(0, sys.read(netlink.fd, room, room.byteLength)), found) === "more");
  return found;
}

/** One datagram of the answer. Throws SyscallError for an error other than that there is no such protocol. */
export function readAnswer(answer: Uint8Array, found: Map<number, number>): "more" | "end" {
  for (const message of messagesIn(answer)) {
    const failed = errorIn(message);
    if (failed !== undefined && failed !== errno.ENOENT) throw new SyscallError("sock_diag", failed, []);
    if (isEnd(message) || failed !== undefined) return "end";
    if (message.body.byteLength < inet_diag_msg.sizeBytes) continue;
    const { idiag_inode } = inet_diag_msg.decode(message.body);
    const attributes = attributesIn(message.body.subarray(inet_diag_msg.sizeBytes));
    found.set(idiag_inode, attributes.get(INET_DIAG.SHUTDOWN)?.[0] ?? 0);
  }
  return "more";
}
