// TCP sockets: tcp(7), and TCP_REPAIR, with which a connection is read and built (net/ipv4/tcp.c); include/uapi/linux/tcp.h, include/net/tcp_states.h
import { flags } from "../declare/flags.js";
import { struct, u8, u32 } from "../declare/struct.js";

export const TCP = {
  NODELAY: 1,
  MAXSEG: 2,
  CORK: 3,
  KEEPIDLE: 4,
  KEEPINTVL: 5,
  KEEPCNT: 6,
  SYNCNT: 7,
  LINGER2: 8,
  DEFER_ACCEPT: 9,
  WINDOW_CLAMP: 10,
  INFO: 11,
  CONGESTION: 13,
  THIN_LINEAR_TIMEOUTS: 16,
  USER_TIMEOUT: 18,
  REPAIR: 19,
  REPAIR_QUEUE: 20,
  QUEUE_SEQ: 21,
  REPAIR_OPTIONS: 22,
  FASTOPEN: 23,
  TIMESTAMP: 24,
  NOTSENT_LOWAT: 25,
  SAVE_SYN: 27,
  REPAIR_WINDOW: 29,
  FASTOPEN_CONNECT: 30,
  ULP: 31,
  INQ: 36,
  TX_DELAY: 37,
} as const;
/** Values of TCP_REPAIR. Off with a window probe, which has the other side say where it is, or without one. */
export const TCP_REPAIR = { ON: 1, OFF: 0, OFF_NO_WP: -1 } as const;
/** Values of TCP_REPAIR_QUEUE. */
export const TCP_QUEUE = { NO: 0, RECV: 1, SEND: 2 } as const;
/** Codes of TCP_REPAIR_OPTIONS, as in the header of a segment: include/net/tcp.h */
export const TCPOPT = { MSS: 2, WINDOW: 3, SACK_PERM: 4, TIMESTAMP: 8 } as const;
export const TCPI_OPT = flags({ TCPI_OPT_TIMESTAMPS: 1, TCPI_OPT_SACK: 2, TCPI_OPT_WSCALE: 4 });

export const TCP_STATE = {
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  TIME_WAIT: 6,
  CLOSE: 7,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  LISTEN: 10,
  CLOSING: 11,
} as const;

/** The beginning: it grows with the kernel. Of a listening socket tcpi_unacked is what waits to be accepted, tcpi_sacked its backlog. */
export const tcp_info = struct("tcp_info", 32, {
  tcpi_state: [0, u8],
  tcpi_options: [5, u8],
  /** Bit fields, together: tcpi_snd_wscale and tcpi_rcv_wscale. */
  tcpi_wscale: [6, u8],
  tcpi_unacked: [24, u32],
  tcpi_sacked: [28, u32],
});
export const tcp_repair_opt = struct("tcp_repair_opt", 8, { opt_code: [0, u32], opt_val: [4, u32] });
export const tcp_repair_window = struct("tcp_repair_window", 20, {
  snd_wl1: [0, u32],
  snd_wnd: [4, u32],
  max_window: [8, u32],
  rcv_wnd: [12, u32],
  rcv_wup: [16, u32],
});
