// netlink(7): include/uapi/linux/netlink.h
import { struct, u16, u32 } from "../declare/struct.js";

export const AF_NETLINK = 16;
export const NETLINK_SOCK_DIAG = 4;
export const NETLINK_NETFILTER = 12;
export const NLM_F_REQUEST = 1;
export const NLM_F_ACK = 4;
/** What is there already is an error. */
export const NLM_F_EXCL = 0x200;
/** Everything, not one object. */
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
export const SOL_NETLINK = 270;
export const NETLINK = {
  ADD_MEMBERSHIP: 1,
  PKTINFO: 3,
  BROADCAST_ERROR: 4,
  NO_ENOBUFS: 5,
  LISTEN_ALL_NSID: 8,
  LIST_MEMBERSHIPS: 9,
  CAP_ACK: 10,
  EXT_ACK: 11,
  GET_STRICT_CHK: 12,
} as const;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLA_F_NESTED = 0x8000;

export const nlmsghdr = struct("nlmsghdr", 16, {
  nlmsg_len: [0, u32],
  nlmsg_type: [4, u16],
  nlmsg_flags: [6, u16],
  nlmsg_seq: [8, u32],
  nlmsg_pid: [12, u32],
});
export const nlattr = struct("nlattr", 4, { nla_len: [0, u16], nla_type: [2, u16] });
export const sockaddr_nl = struct("sockaddr_nl", 12, { nl_family: [0, u16], nl_pid: [4, u32], nl_groups: [8, u32] });
