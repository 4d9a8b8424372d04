// Asking the kernel about sockets: sock_diag(7); include/uapi/linux/sock_diag.h, unix_diag.h, inet_diag.h
import { bytes, struct, u8, u32 } from "../declare/struct.js";

export const SOCK_DIAG_BY_FAMILY = 20;
/** What is asked for: names, peers, connections that wait to be accepted, lengths of queues. */
export const UDIAG_SHOW = { NAME: 1, PEER: 4, ICONS: 8, RQLEN: 0x10 } as const;
export const UNIX_DIAG = { NAME: 0, PEER: 2, ICONS: 3, RQLEN: 4, SHUTDOWN: 6 } as const;
/** An attribute is asked for by the bit of its number less one. */
export const INET_DIAG = { SHUTDOWN: 8 } as const;

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
export const inet_diag_req_v2 = struct("inet_diag_req_v2", 56, {
  sdiag_family: [0, u8],
  sdiag_protocol: [1, u8],
  idiag_ext: [2, u8],
  idiag_states: [4, u32],
  id: [8, bytes(48)],
});
export const inet_diag_msg = struct("inet_diag_msg", 72, {
  idiag_family: [0, u8],
  idiag_state: [1, u8],
  id: [4, bytes(48)],
  idiag_rqueue: [56, u32],
  idiag_wqueue: [60, u32],
  idiag_inode: [68, u32],
});
