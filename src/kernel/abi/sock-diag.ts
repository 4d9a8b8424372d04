// Asking the kernel about sockets: sock_diag(7); include/uapi/linux/netlink.h, sock_diag.h, unix_diag.h
import { struct, u8, u16, u32 } from "../declare/struct.js";

export const AF_NETLINK = 16;
export const NETLINK_SOCK_DIAG = 4;
export const SOCK_DIAG_BY_FAMILY = 20;
export const NLM_F_REQUEST = 1;
export const NLMSG_ERROR = 2;
/** What is asked for: names, peers, connections that wait to be accepted, lengths of queues. */
export const UDIAG_SHOW = { NAME: 1, PEER: 4, ICONS: 8, RQLEN: 0x10 } as const;
export const UNIX_DIAG = { NAME: 0, PEER: 2, ICONS: 3, RQLEN: 4, SHUTDOWN: 6 } as const;

export const nlmsghdr = struct("nlmsghdr", 16, {
  nlmsg_len: [0, u32],
  nlmsg_type: [4, u16],
  nlmsg_flags: [6, u16],
  nlmsg_seq: [8, u32],
  nlmsg_pid: [12, u32],
});
export const nlattr = struct("nlattr", 4, { nla_len: [0, u16], nla_type: [2, u16] });
/** The two words of udiag_cookie are apart here. */
export const unix_diag_req = struct("unix_diag_req", 24, {
  sdiag_family: [0, u8],
  sdiag_protocol: [1, u8],
  udiag_states: [4, u32],
  udiag_ino: [8, u32],
  udiag_show: [12, u32],
});
export const unix_diag_msg = struct("unix_diag_msg", 16, {
  udiag_family: [0, u8],
  udiag_type: [1, u8],
  udiag_state: [2, u8],
  udiag_ino: [4, u32],
});
