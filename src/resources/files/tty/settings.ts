// What is set on a terminal: termios(3), window size, and the switches of a pty; ioctl_tty(2).
import { create } from "@bufbuild/protobuf";
import {
  type TermiosEntry,
  TermiosEntrySchema,
  type TtyInfoEntry,
  type WinsizeEntry,
  WinsizeEntrySchema,
} from "../../../images/format/entries.js";
import { NCCS, TIOC, termios, termios2, winsize } from "../../../kernel/abi/tty.js";
import type { Fd } from "../../../kernel/brand.js";
import type { ShapeOf } from "../../../kernel/declare/struct.js";
import { unless } from "../../../kernel/errno.js";
import { sys } from "../../../kernel/syscalls.js";

export type Termios = ShapeOf<typeof termios2>;

/** A number that a terminal tells; undefined: it has no such thing (a slave has no lock, a terminal no session). */
export function ask(terminal: Fd, request: number): number | undefined {
  const answer = new Int32Array(1);
  return unless("ENOTTY", () => {
    sys.ioctl(terminal, request, new Uint8Array(answer.buffer));
    return answer[0];
  });
}

/** Sets a number that the kernel reads from memory. */
export function tell(terminal: Fd, request: number, value: number): void {
  sys.ioctl(terminal, request, new Uint8Array(Int32Array.of(value).buffer));
}

export function getTermios(terminal: Fd): Termios {
  const answer = new Uint8Array(termios2.sizeBytes);
  sys.ioctl(terminal, TIOC.TCGETS2, answer);
  return termios2.decode(answer);
}

/** On a master it sets its slave's. */
export function setTermios(terminal: Fd, wanted: Termios): void {
  sys.ioctl(terminal, TIOC.TCSETS2, termios2.encode(wanted));
}

/** A master was closed: its slaves answer to nothing any more. drivers/tty/tty_io.c, hung_up_tty_ioctl() */
export const isHungUp = (terminal: Fd): boolean => unless("EIO", () => getTermios(terminal)) === undefined;

export type Settings = Pick<TtyInfoEntry, "termios" | "termiosLocked" | "winsize">;

export function readSettings(terminal: Fd): Required<Settings> {
  const locked = new Uint8Array(termios.sizeBytes);
  sys.ioctl(terminal, TIOC.TIOCGLCKTRMIOS, locked);
  const size = new Uint8Array(winsize.sizeBytes);
  sys.ioctl(terminal, TIOC.TIOCGWINSZ, size);
  return {
    termios: termiosEntry(getTermios(terminal)),
    termiosLocked: termiosEntry({ ...termios.decode(locked), c_ispeed: 0, c_ospeed: 0 }),
    winsize: sizeEntry(winsize.decode(size)),
  };
}

function sizeEntry({ ws_row, ws_col, ws_xpixel, ws_ypixel }: ShapeOf<typeof winsize>): WinsizeEntry {
  return create(WinsizeEntrySchema, { wsRow: ws_row, wsCol: ws_col, wsXpixel: ws_xpixel, wsYpixel: ws_ypixel });
}

function termiosEntry({ c_iflag, c_oflag, c_cflag, c_lflag, c_line, c_cc, c_ispeed, c_ospeed }: Termios): TermiosEntry {
  return create(TermiosEntrySchema, {
    ...{ cIflag: c_iflag, cOflag: c_oflag, cCflag: c_cflag, cLflag: c_lflag, cLine: c_line },
    ...{ cIspeed: c_ispeed, cOspeed: c_ospeed, cCc: [...c_cc] },
  });
}

/** `now`: gives the speeds that an image of CRIU does not have. */
export function termiosOf(entry: TermiosEntry, now: Termios): Termios {
  const c_cc = new Uint8Array(NCCS);
  c_cc.set(entry.cCc.slice(0, NCCS));
  return {
    ...{ c_iflag: entry.cIflag, c_oflag: entry.cOflag, c_cflag: entry.cCflag, c_lflag: entry.cLflag },
    ...{ c_line: entry.cLine, c_cc },
    ...{ c_ispeed: entry.cIspeed || now.c_ispeed, c_ospeed: entry.cOspeed || now.c_ospeed },
  };
}

/** First what is set, then what is locked: a locked bit cannot be set any more. */
export function applySettings(terminal: Fd, settings: Settings): void {
  const now = getTermios(terminal);
  if (settings.termios !== undefined) {
    const wanted = termiosOf(settings.termios, now);
    if (!same(termios2.encode(wanted), termios2.encode(now))) setTermios(terminal, wanted);
  }
  applyLocks(terminal, settings);
  if (settings.winsize === undefined) return;
  const { wsRow: ws_row, wsCol: ws_col, wsXpixel: ws_xpixel, wsYpixel: ws_ypixel } = settings.winsize;
  sys.ioctl(terminal, TIOC.TIOCSWINSZ, winsize.encode({ ws_row, ws_col, ws_xpixel, ws_ypixel }));
}

export function applyLocks(terminal: Fd, { termiosLocked }: Settings): void {
  if (termiosLocked === undefined) return;
  const before = new Uint8Array(termios.sizeBytes);
  sys.ioctl(terminal, TIOC.TIOCGLCKTRMIOS, before);
  const wanted = termiosOf(termiosLocked, { ...termios.decode(before), c_ispeed: 0, c_ospeed: 0 });
  const bytes = termios.encode(wanted);
  if (!same(bytes, before)) sys.ioctl(terminal, TIOC.TIOCSLCKTRMIOS, bytes);
}

const same = (one: Uint8Array, other: Uint8Array) => Buffer.compare(one, other) === 0;
