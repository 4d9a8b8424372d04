// Terminals: ioctl_tty(2); include/uapi/asm-generic/ioctls.h, include/uapi/asm-generic/termbits.h
import { bytes, struct, u8, u16, u32 } from "../declare/struct.js";

/** Entries of c_cc: NCCS of struct termios. */
export const NCCS = 19;
const flags = { c_iflag: [0, u32], c_oflag: [4, u32], c_cflag: [8, u32], c_lflag: [12, u32] } as const;
export const termios = struct("termios", 36, { ...flags, c_line: [16, u8], c_cc: [17, bytes(NCCS)] });
export const termios2 = struct("termios2", 44, {
  ...flags,
  c_line: [16, u8],
  c_cc: [17, bytes(NCCS)],
  c_ispeed: [36, u32],
  c_ospeed: [40, u32],
});
export const winsize = struct("winsize", 8, {
  ws_row: [0, u16],
  ws_col: [2, u16],
  ws_xpixel: [4, u16],
  ws_ypixel: [6, u16],
});

/** Indexes of c_cc. */
export const CC = { VEOF: 4, VTIME: 5, VMIN: 6, VSTART: 8, VSTOP: 9, VEOL: 11, VEOL2: 16 } as const;
/** Of c_iflag: the peer is stopped and started with VSTOP and VSTART. */
export const IXON = 0o2000;
/** Of c_oflag. */
export const OPOST = 1;
/** Of c_lflag. */
export const ICANON = 2;
export const IEXTEN = 0o100000;
export const EXTPROC = 0o200000;
/** Line discipline of terminals that people type at: include/uapi/linux/tty.h */
export const N_TTY = 0;
/** How many bytes of input a line discipline keeps, less the one that stays free: drivers/tty/n_tty.c, N_TTY_BUF_SIZE. */
export const INPUT_LIMIT_BYTES = 4095;

export const TIOC = {
  TIOCEXCL: 0x540c,
  TIOCSCTTY: 0x540e,
  TIOCGPGRP: 0x540f,
  TIOCSPGRP: 0x5410,
  TIOCSTI: 0x5412,
  TIOCGWINSZ: 0x5413,
  TIOCSWINSZ: 0x5414,
  FIONREAD: 0x541b,
  TIOCPKT: 0x5420,
  TIOCGETD: 0x5424,
  TIOCGSID: 0x5429,
  TIOCVHANGUP: 0x5437,
  TCGETS2: 0x802c542a,
  TCSETS2: 0x402c542b,
  TIOCGPTN: 0x80045430,
  TIOCSPTLCK: 0x40045431,
  /** The device number of the terminal itself: of a master that of its slave, of /dev/tty what is behind it. */
  TIOCGDEV: 0x80045432,
  TIOCGPKT: 0x80045438,
  TIOCGPTLCK: 0x80045439,
  TIOCGEXCL: 0x80045440,
  /** Opens the slave of a master without going by its path. */
  TIOCGPTPEER: 0x5441,
  TIOCGLCKTRMIOS: 0x5456,
  TIOCSLCKTRMIOS: 0x5457,
} as const;
