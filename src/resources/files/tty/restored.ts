// The terminals of a restore. A pty is opened whole: its master, every description of its slave, and what waits in it.
import { type TtyFileEntry, type TtyInfoEntry, TtyType } from "../../../images/format/entries.js";
import { invalid } from "../../../images/format/fault.js";
import { NCCS } from "../../../kernel/abi/tty.js";
import type { Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { Inside } from "../../../tracee/inside.js";
import type { RestoreContext } from "../../kind.js";
import type { Grown, Sprout } from "../../tree/grow.js";
import { clientsTerminal, openBound } from "./bound.js";
import { openCurrentIn, openCurrentOfOurs, setForeground, takeControl } from "./control.js";
import { externalKey, masterId, slaveId } from "./devices.js";
import { openAt } from "./paths.js";
import { type MadePty, makePty } from "./pty.js";
import { applySettings, getTermios } from "./settings.js";

interface Leader {
  readonly inside: Inside;
  readonly info: TtyInfoEntry;
}

export class RestoredTerminals {
  readonly #infos: ReadonlyMap<number, TtyInfoEntry>;
  readonly #files: readonly TtyFileEntry[];
  /** Descriptors by file id that nobody has asked for yet. */
  readonly #prepared = new Map<number, Fd>();
  readonly #ptys = new Map<number, MadePty>();
  /** Of a session that has a terminal again. */
  readonly #leaders = new Map<number, Leader>();

  constructor(private readonly context: RestoreContext) {
    const { images, files, scope } = context;
    this.#infos = new Map(images.read("tty-info", undefined).map((info) => [info.id, info]));
    this.#files = [...files.all()].flatMap(({ tty }) => tty ?? []);
    scope.defer(() => {
      for (const fd of this.#prepared.values()) sys.close(fd);
    });
  }

  /** Throws StasisError when the terminal cannot come back. */
  check({ ttyInfoId }: TtyFileEntry): void {
    const info = this.#infoOf(ttyInfoId);
    const { termios, termiosLocked, pty, type } = info;
    if ((type === TtyType.PTY) !== (pty !== undefined))
      throw broken(info, "it is a pty without an index, or the reverse");
    for (const settings of [termios, termiosLocked])
      if (settings !== undefined && settings.cCc.length < NCCS)
        throw broken(info, "its termios has too few characters");
    const inherited = this.#inherited(info);
    if (inherited !== undefined) checkGiven(info, inherited);
    else if (type === TtyType.EXT_TTY) throw given(info, "it was left out of the dump");
    else if (this.#isLone(info) && !this.#givesMaster) clientsTerminal(info, this.context);
  }

  open(entry: TtyFileEntry): Fd {
    const info = this.#infoOf(entry.ttyInfoId);
    const inherited = this.#inherited(info);
    if (inherited !== undefined) {
      applySettings(inherited, info);
      return sys.dup(inherited);
    }
    if (info.pty !== undefined) this.#pty(info.pty.index);
    const prepared = this.#prepared.get(entry.id);
    this.#prepared.delete(entry.id);
    if (prepared !== undefined) return prepared;
    if (info.type === TtyType.CTTY) return openCurrentOfOurs(entry, info, this.context);
    const fd = openAt(entry, info, this.context);
    applySettings(fd, info);
    return fd;
  }

  /** In a task that has just become the leader of a session: gives the session the terminal that it had. */
  control({ task: { pid }, inside }: Grown<Sprout<unknown>>): void {
    const held = [...this.#infos.values()].filter(({ sid }) => sid === pid);
    const info = held.find(({ type, termios }) => type !== TtyType.CTTY && termios !== undefined);
    if (info === undefined) return;
    if (!takeControl(inside, this.#terminalOf(info), { isBound: this.#isBound(info), log: this.context.log })) return;
    this.#leaders.set(pid, { inside, info });
    for (const entry of this.#files) {
      const current = held.find(({ id, type }) => id === entry.ttyInfoId && type === TtyType.CTTY);
      if (current !== undefined) this.#prepared.set(entry.id, openCurrentIn(inside, entry, this.context));
    }
  }

  /** When all tasks are in their process groups: which of these is in the foreground. */
  foreground(tasks: readonly Grown<Sprout<unknown>>[]): void {
    for (const { inside, info } of this.#leaders.values())
      setForeground(inside, this.#terminalOf(info), { pgrp: info.pgrp, ...this.context });
    const root = tasks[0];
    const bound = [...this.#infos.values()].find((info) => this.#isBound(info) && !this.#leaders.has(info.sid));
    if (root === undefined || bound === undefined || root.task.sid === root.task.pid) return;
    const groups = new Set(tasks.map(({ task }) => task.pgid));
    const pgrp = groups.has(bound.pgrp) ? bound.pgrp : root.task.pgid;
    setForeground(root.inside, this.#terminalOf(bound), { pgrp, ...this.context });
  }

  #infoOf(id: number): TtyInfoEntry {
    const info = this.#infos.get(id);
    if (info === undefined)
      throw invalid({ file: "tty-info.img" }, `it has nothing about terminal ${id}, which files.img refers to`);
    return info;
  }

  /** A slave without its master. */
  #isLone({ pty, termios, id }: TtyInfoEntry): boolean {
    return (
      pty !== undefined && id === slaveId(pty.index) && termios !== undefined && !this.#infos.has(masterId(pty.index))
    );
  }

  /** It became the terminal of the client. */
  #isBound(info: TtyInfoEntry): boolean {
    return this.#isLone(info) && this.#ptys.get(info.pty?.index ?? -1)?.bound === true;
  }

  get #givesMaster(): boolean {
    return this.context.options.orphanPtsMaster && this.context.giveTerminal !== undefined;
  }

  /** The key is CRIU's: `tty[rdev:dev]`. */
  #inherited({ rdev, dev }: TtyInfoEntry): Fd | undefined {
    return this.context.inherited.get(externalKey(rdev, dev));
  }

  /** A descriptor of ours for a terminal, not to be closed. */
  #terminalOf(info: TtyInfoEntry): Fd {
    const inherited = this.#inherited(info);
    if (inherited !== undefined) return inherited;
    if (info.pty !== undefined) return this.#pty(info.pty.index).terminal;
    const entry = this.#files.find(({ ttyInfoId }) => ttyInfoId === info.id);
    if (entry === undefined) throw broken(info, "no file of files.img refers to it");
    const fd = this.#prepared.get(entry.id) ?? this.open(entry);
    this.#prepared.set(entry.id, fd);
    return fd;
  }

  #pty(index: number): MadePty {
    const known = this.#ptys.get(index);
    if (known !== undefined) return known;
    const master = this.#infos.get(masterId(index));
    const slave = this.#infos.get(slaveId(index));
    const of = (info: TtyInfoEntry | undefined) => this.#files.filter(({ ttyInfoId }) => ttyInfoId === info?.id);
    const saved = { index, master, slave, masterFiles: of(master), slaveFiles: of(slave) };
    const isLone = slave !== undefined && this.#isLone(slave);
    const made =
      (isLone && !this.#givesMaster ? undefined : makePty(saved, this.context, { given: isLone })) ??
      openBound(saved, this.context);
    this.#ptys.set(index, made);
    for (const [id, fd] of made.files) this.#prepared.set(id, fd);
    return made;
  }
}

function broken({ id }: TtyInfoEntry, reason: string): StasisError {
  return invalid({ file: "tty-info.img" }, `terminal ${id}: ${reason}`);
}

function checkGiven(info: TtyInfoEntry, inherited: Fd): void {
  if (unless(["ENOTTY", "EBADF"], () => getTermios(inherited)) === undefined)
    throw given(info, `descriptor ${inherited} of stasis is no terminal`);
}

function given({ rdev, dev }: TtyInfoEntry, reason: string): StasisError {
  const key = externalKey(rdev, dev);
  return new StasisError({
    code: "OPTION_INVALID",
    doing: "restore the terminal with",
    subject: { kind: "option", name: "inherit-fd" },
    reason,
    remedy: `pass --inherit-fd fd[N]:${key} with a terminal for it`,
  });
}
