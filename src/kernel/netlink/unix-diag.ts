// The other end of a unix socket, by inode number: sock_diag(7), net/unix/diag.c.
import { O } from "../abi/fcntl.js";
import {
  AF_NETLINK,
  NETLINK_SOCK_DIAG,
  NLM_F_REQUEST,
  NLMSG_ERROR,
  nlattr,
  nlmsghdr,
  SOCK_DIAG_BY_FAMILY,
  UDIAG_SHOW_PEER,
  UNIX_DIAG_PEER,
  unix_diag_msg,
  unix_diag_req,
} from "../abi/sock-diag.js";
import { AF_UNIX } from "../abi/socket.js";
import { own } from "../own-fd.js";
import { sys } from "../syscalls.js";

const SOCK_RAW = 3;
const ANY_STATE = 0xffffffff;
const ANSWER_BYTES = 8192;

/** Inode number of the socket that this one is connected to; undefined: none, or no such socket in our network namespace. */
export function peerOfUnixSocket(inode: number): number | undefined {
  using netlink = own(sys.socket(AF_NETLINK, SOCK_RAW | O.O_CLOEXEC, NETLINK_SOCK_DIAG));
  const question = request(inode);
  sys.write(netlink.fd, question, question.byteLength);
  const room = new Uint8Array(ANSWER_BYTES);
  const answer = room.subarray(0, sys.read(netlink.fd, room, room.byteLength));
  if (nlmsghdr.decode(answer).nlmsg_type === NLMSG_ERROR) return undefined;
  return peerAttribute(answer.subarray(nlmsghdr.sizeBytes + unix_diag_msg.sizeBytes));
}

function request(inode: number): Uint8Array {
  const body = unix_diag_req.encode({
    sdiag_family: AF_UNIX,
    sdiag_protocol: 0,
    udiag_states: ANY_STATE,
    udiag_ino: inode,
    udiag_show: UDIAG_SHOW_PEER,
  });
  // INET_DIAG_NOCOOKIE: both words of the cookie say that we do not know it.
  body.fill(0xff, 16, 24);
  const head = nlmsghdr.encode({
    nlmsg_len: nlmsghdr.sizeBytes + body.byteLength,
    nlmsg_type: SOCK_DIAG_BY_FAMILY,
    nlmsg_flags: NLM_F_REQUEST,
    nlmsg_seq: 1,
    nlmsg_pid: 0,
  });
  return Buffer.concat([head, body]);
}

function peerAttribute(attributes: Uint8Array): number | undefined {
  for (let at = 0; at + nlattr.sizeBytes <= attributes.byteLength; ) {
    const { nla_len, nla_type } = nlattr.decode(attributes.subarray(at));
    if (nla_len < nlattr.sizeBytes) return undefined;
    const value = new DataView(attributes.buffer, attributes.byteOffset + at + nlattr.sizeBytes);
    if (nla_type === UNIX_DIAG_PEER) return value.getUint32(0, true);
    at += (nla_len + 3) & ~3;
  }
  return undefined;
}
