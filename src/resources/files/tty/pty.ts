// One pty made again: pty(7). The kernel gives a new master the lowest free index, so lower ones are held while it is opened.
import type { TtyFileEntry, TtyInfoEntry } from "../../../images/format/entries.js";
import { O } from "../../../kernel/abi/fcntl.js";
import { TIOC } from "../../../kernel/abi/tty.js";
import type { Fd } from "../../../kernel/brand.js";
import { type OwnFd, own } from "../../../kernel/own-fd.js";
import { Scope } from "../../../kernel/scope.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { RestoreContext } from "../../kind.js";
import { flagsForOpen } from "../common.js";
import { masterId, slaveDevice, slaveId } from "./devices.js";
import { lock, openSlave } from "./ends.js";
import { applyOwner, leadsTo, openTerminal, pathEntry } from "./paths.js";
import { putInput, putOutput } from "./queues.js";
import { applyLocks, applySettings, ask, getTermios, tell } from "./settings.js";

/** What the images have of a pty. */
export interface SavedPty {
  readonly index: number;
  readonly master: TtyInfoEntry | undefined;
  readonly slave: TtyInfoEntry | undefined;
  readonly masterFiles: readonly TtyFileEntry[];
  readonly slaveFiles: readonly TtyFileEntry[];
}

export interface MadePty {
  /** One end of it, ours until the end of the restore. */
  readonly terminal: Fd;
  /** By the ids of the files. */
  readonly files: ReadonlyMap<number, Fd>;
  /** It is the terminal of the client. */
  readonly bound: boolean;
}

const NEW_PTY = "/dev/ptmx";

/** `given`: the master goes to the client. Result undefined: the client does not want it. */
export function makePty(saved: SavedPty, context: RestoreContext, { given }: { given: boolean }): MadePty | undefined {
  const opened = own(given ? openAnyMaster(saved, context) : openMaster(saved, context));
  const terminal = context.scope.use(opened).fd;
  lock(terminal, false);
  if (given && context.giveTerminal?.(terminal) !== true) return undefined;
  const slaves = saved.slaveFiles.map(
    (entry) => [entry.id, openSlaveFile(entry, terminal, saved.index, context)] as const,
  );
  const masters = saved.masterFiles.map(({ id }) => [id, sys.dup(terminal)] as const);
  const files = new Map([...slaves, ...masters]);
  fill(saved, terminal, context);
  const [first] = slaves;
  if (saved.slave !== undefined && first !== undefined) finishSlave(saved, first[1], context);
  if (saved.master !== undefined) finishMaster(saved.master, terminal);
  if (saved.slave !== undefined && saved.slave.termios === undefined) hangUp(saved, opened, first?.[1]);
  return { terminal, files, bound: false };
}

function openMaster({ index, masterFiles }: SavedPty, context: RestoreContext): Fd {
  const [file] = masterFiles;
  const path = (file && pathEntry(file, context)?.name) ?? NEW_PTY;
  using lower = new Scope();
  for (;;) {
    const master = own(openTerminal(path, flagsForOpen(file?.flags ?? O.O_RDWR)));
    const got = ask(master.fd, TIOC.TIOCGPTN) ?? -1;
    if (got === index) return master.release();
    lower.use(master);
    if (got > index || got < 0) throw taken(index);
  }
}

/** For a terminal whose other end goes to somebody else, any index will do. */
function openAnyMaster(saved: SavedPty, context: RestoreContext): Fd {
  try {
    return openMaster(saved, context);
  } catch (error) {
    if (!(error instanceof StasisError) || error.code !== "KERNEL_REFUSED") throw error;
    context.log.warn(`${error.message}; the terminal gets another number`);
    return openTerminal(NEW_PTY, O.O_RDWR | O.O_NOCTTY | O.O_CLOEXEC);
  }
}

function taken(index: number): StasisError {
  return new StasisError({
    code: "KERNEL_REFUSED",
    doing: "restore the terminal",
    subject: { kind: "path", path: `/dev/pts/${index}` },
    reason: "another terminal has this number",
    remedy: "close that terminal, or restore where /dev/pts is a devpts of its own",
  });
}

/** By its path where that is there: it may be another than that in /dev/pts. */
function openSlaveFile(entry: TtyFileEntry, master: Fd, index: number, context: RestoreContext): Fd {
  const path = pathEntry(entry, context)?.name ?? "";
  const flags = flagsForOpen(entry.flags);
  const isThere = ask(master, TIOC.TIOCGPTN) === index && leadsTo(path, slaveDevice(index));
  return isThere ? openTerminal(path, flags) : openSlave(master, flags).release();
}

/** What is set, and what waits to be read. */
function fill({ index, master, slave }: SavedPty, terminal: Fd, context: RestoreContext): void {
  const { termios, winsize } = slave?.termios === undefined ? (master ?? {}) : slave;
  applySettings(terminal, { termios, winsize });
  const { input, output } = context.once(RestoredQueues).of(index);
  // A slave that nobody ever opened is not opened here either: the master would see it end.
  using ours = slave && openSlave(terminal, O.O_RDWR | O.O_NONBLOCK);
  if (ours !== undefined && input.byteLength > 0)
    putInput({ master: terminal, slave: ours.fd }, input, getTermios(terminal));
  putOutput(terminal, ours?.fd, output);
}

function finishSlave({ slave, slaveFiles }: SavedPty, fd: Fd, context: RestoreContext): void {
  const [file] = slaveFiles;
  if (slave === undefined || file === undefined) return;
  applyOwner(fd, slave, pathEntry(file, context));
  applyLocks(fd, slave);
  if (slave.exclusive) sys.ioctlValue(fd, TIOC.TIOCEXCL, 0);
}

function finishMaster(master: TtyInfoEntry, fd: Fd): void {
  applyLocks(fd, master);
  if (master.packetMode) tell(fd, TIOC.TIOCPKT, 1);
  if (master.exclusive) sys.ioctlValue(fd, TIOC.TIOCEXCL, 0);
  if (master.locked) lock(fd, true);
}

/** Nobody had the slave any more, or it was hung up for those who have it: by its master's end, or by vhangup(2). */
function hangUp({ master, slaveFiles }: SavedPty, terminal: OwnFd, slave: Fd | undefined): void {
  if (slaveFiles.length === 0) openSlave(terminal.fd, O.O_RDWR)[Symbol.dispose]();
  else if (master === undefined) terminal[Symbol.dispose]();
  else if (slave !== undefined) sys.ioctlValue(slave, TIOC.TIOCVHANGUP, 0);
}

/** tty-data.img. */
class RestoredQueues {
  readonly #data: ReadonlyMap<number, Uint8Array>;

  constructor({ images }: RestoreContext) {
    this.#data = new Map(images.read("tty-data", undefined).map(({ ttyId, data }) => [ttyId, data]));
  }

  of(index: number): { readonly input: Uint8Array; readonly output: Uint8Array } {
    const data = (id: number) => this.#data.get(id) ?? new Uint8Array();
    return { input: data(slaveId(index)), output: data(masterId(index)) };
  }
}
