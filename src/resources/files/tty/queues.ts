// What waits in a pty to be read, in both directions. The kernel has no way to look at it, so it is read and put back at once: by
// TIOCSTI, which hands a byte to the line discipline before it returns (drivers/tty/tty_io.c, tiocsti()).
import { CC, EXTPROC, ICANON, IEXTEN, INPUT_LIMIT_BYTES, IXON, NCCS, OPOST, TIOC } from "../../../kernel/abi/tty.js";
import type { Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { readableWithin } from "../../../kernel/packets.js";
import { sys } from "../../../kernel/syscalls.js";
import { ask, getTermios, setTermios, type Termios, tell } from "./settings.js";

const BUFFER_BYTES = 65536;
const DISABLED = 0;
const NEWLINE = 10;

/** A pty with both ends; `slave` has O_NONBLOCK. */
export interface Pair {
  readonly master: Fd;
  readonly slave: Fd;
}

/** What was written to the master and nobody has read. As typed: an end of file is the byte that makes it. */
export function peekInput(pair: Pair): Uint8Array {
  const { slave } = pair;
  const termios = getTermios(slave);
  const lines = isCanonical(termios) ? readLines(slave, termios) : [];
  const input = Buffer.concat([...lines, readRaw(slave, termios)]);
  if (input.byteLength > 0) putInput(pair, input, termios);
  return input;
}

/** What was written to slaves and nobody has read at the master. */
export function peekOutput(master: Fd, slave: Fd | undefined): Uint8Array {
  // A poll also waits for what is on its way: drivers/tty/n_tty.c, n_tty_poll().
  readableWithin(master, 0);
  if (ask(master, TIOC.FIONREAD) === 0) return new Uint8Array();
  const packets = ask(master, TIOC.TIOCGPKT) === 1;
  if (packets) tell(master, TIOC.TIOCPKT, 0);
  const output = readOutput(master);
  putOutput(master, slave, output);
  if (packets) tell(master, TIOC.TIOCPKT, 1);
  return output;
}

/** Into the queue of the slave. `termios`: what is in force, and is again afterwards. */
export function putInput({ master, slave }: Pair, input: Uint8Array, termios: Termios): void {
  setTermios(slave, literal(termios));
  insert(slave, input.subarray(0, INPUT_LIMIT_BYTES));
  write(master, input.subarray(INPUT_LIMIT_BYTES));
  setTermios(slave, termios);
}

/** Into the queue of the master. */
export function putOutput(master: Fd, slave: Fd | undefined, output: Uint8Array): void {
  insert(master, output.subarray(0, INPUT_LIMIT_BYTES));
  const rest = output.subarray(INPUT_LIMIT_BYTES);
  if (rest.byteLength === 0 || slave === undefined) return;
  const termios = getTermios(slave);
  setTermios(slave, { ...termios, c_oflag: termios.c_oflag & ~OPOST });
  write(slave, rest);
  setTermios(slave, termios);
}

/** With EXTPROC the other end has made the lines: the kernel keeps none. */
const isCanonical = ({ c_lflag }: Termios) => (c_lflag & ICANON) !== 0 && (c_lflag & EXTPROC) === 0;

/** One read gives one line, without the byte that ended it where that was an end of file. */
function readLines(slave: Fd, { c_cc }: Termios): Uint8Array[] {
  const ends = [NEWLINE, ...[c_cc[CC.VEOL], c_cc[CC.VEOL2]].filter((byte) => byte !== DISABLED)];
  const endOfFile = c_cc[CC.VEOF] ?? DISABLED;
  const lines: Uint8Array[] = [];
  for (let line = readSome(slave); line !== undefined; line = readSome(slave)) {
    lines.push(line);
    if (!ends.includes(line.at(-1)) && endOfFile !== DISABLED) lines.push(Uint8Array.of(endOfFile));
  }
  return lines;
}

/** A line that is not complete can be read when lines count for nothing. The queue is empty afterwards, so that nothing is left of that. */
function readRaw(slave: Fd, termios: Termios): Uint8Array {
  const canonical = isCanonical(termios);
  if (canonical) setTermios(slave, { ...termios, c_lflag: termios.c_lflag & ~ICANON });
  const parts: Uint8Array[] = [];
  for (let part = readSome(slave); part !== undefined && part.byteLength > 0; part = readSome(slave)) parts.push(part);
  if (canonical) setTermios(slave, termios);
  return Buffer.concat(parts);
}

function readSome(slave: Fd): Uint8Array | undefined {
  const bytes = new Uint8Array(BUFFER_BYTES);
  const length = unless("EAGAIN", () => sys.read(slave, bytes, bytes.byteLength));
  return length === undefined ? undefined : bytes.subarray(0, length);
}

/** The master may block, so no more is asked for than there is. */
function readOutput(master: Fd): Uint8Array {
  const parts: Uint8Array[] = [];
  for (;;) {
    readableWithin(master, 0);
    const length = ask(master, TIOC.FIONREAD) ?? 0;
    if (length === 0) return Buffer.concat(parts);
    const bytes = new Uint8Array(length);
    parts.push(bytes.subarray(0, sys.read(master, bytes, length)));
  }
}

/**
 * Settings under which a byte goes into the queue as it is: no echo, no signals, no editing. What ends a line still does. IXON stays:
 * without it a stopped terminal would start; ICANON and EXTPROC stay: a change of theirs makes one line of all that waits.
 */
function literal(termios: Termios): Termios {
  const c_cc = new Uint8Array(NCCS);
  for (const index of Object.values(CC)) c_cc[index] = termios.c_cc[index] ?? DISABLED;
  return {
    ...termios,
    c_iflag: termios.c_iflag & IXON,
    c_lflag: termios.c_lflag & (ICANON | IEXTEN | EXTPROC),
    c_cc,
  };
}

function insert(end: Fd, bytes: Uint8Array): void {
  for (const byte of bytes) sys.ioctl(end, TIOC.TIOCSTI, Uint8Array.of(byte));
}

function write(end: Fd, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.byteLength; ) done += sys.write(end, bytes.subarray(done), bytes.byteLength - done);
}
