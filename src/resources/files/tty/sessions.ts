// Whose controlling terminal a terminal is, and whether that can be so again: credentials(7), tty_nr and tpgid of proc_pid_stat(5).
import { TIOC } from "../../../kernel/abi/tty.js";
import { asPid } from "../../../kernel/brand.js";
import type { TaskStat } from "../../../kernel/proc/stat.js";
import { StasisError } from "../../../report/error.js";
import type { FrozenTask } from "../../../tracee/freeze.js";
import type { DumpContext } from "../../kind.js";
import { refuseFile } from "../refuse.js";
import { ask } from "./settings.js";
import type { Known } from "./terminals.js";

/** The session whose controlling terminal it is, and the process group in its foreground; 0: none. */
export interface Holding {
  readonly sid: number;
  readonly pgrp: number;
}
/** A task, by what /proc tells of it. */
export type SessionMember = Pick<FrozenTask, "pid" | "comm" | "stat">;
export const NOBODY: Holding = { sid: 0, pgrp: 0 };

const SHELL_JOB = "pass --shell-job to restore it on the terminal of stasis";

/** By terminal id. Throws StasisError when a terminal or session could not come back as it is. */
export function checkSessions(
  terminals: readonly Known[],
  tasks: readonly SessionMember[],
  { options, log }: DumpContext,
): ReadonlyMap<number, Holding> {
  const holdings = new Map(terminals.map((terminal) => [terminal.id, holdingOf(terminal, tasks)]));
  const members = new Set<number>(tasks.map(({ pid }) => pid));
  if (!options.shellJob) {
    for (const terminal of terminals) checkSession(terminal, holdings.get(terminal.id) ?? NOBODY, members);
    checkMasters(terminals, options.orphanPtsMaster);
  }
  const devices = new Set(terminals.map(({ device }) => device));
  for (const { pid, comm, stat } of tasks) {
    if (stat.session !== pid || stat.ttyNr === 0 || devices.has(stat.ttyNr)) continue;
    const lost = lostTerminal(pid, comm, stat);
    if (!options.shellJob) throw lost;
    log.warn(lost.message);
  }
  return holdings;
}

function holdingOf({ kind, fd, device, hungUp }: Known, tasks: readonly SessionMember[]): Holding {
  if (hungUp || device === 0) return NOBODY;
  const member = tasks.find(({ stat }) => stat.ttyNr === device)?.stat;
  if (member !== undefined) return { sid: member.session, pgrp: Math.max(member.tpgid, 0) };
  // A master tells everybody; a slave only those whose controlling terminal it is.
  const sid = kind === "master" ? (ask(fd, TIOC.TIOCGSID) ?? 0) : 0;
  return sid === 0 ? NOBODY : { sid, pgrp: ask(fd, TIOC.TIOCGPGRP) ?? 0 };
}

function checkSession({ file, kind }: Known, { sid }: Holding, members: ReadonlySet<number>): void {
  if (kind === "external") return;
  if (sid !== 0 && !members.has(sid))
    throw refuseFile(
      file.subject,
      `it is the controlling terminal of session ${sid}, whose leader is outside of the tree`,
      SHELL_JOB,
    );
  if (sid === 0 && kind === "current")
    throw refuseFile(
      file.subject,
      "the terminal behind it is the controlling terminal of no process in the tree",
      "have the program close it before the dump",
    );
}

function checkMasters(terminals: readonly Known[], orphanPtsMaster: boolean): void {
  const masters = new Set(terminals.filter(({ kind }) => kind === "master").map(({ index }) => index));
  for (const { kind, index, hungUp, file } of terminals) {
    if (kind !== "slave" || hungUp || masters.has(index) || orphanPtsMaster) continue;
    throw refuseFile(file.subject, "the master of this terminal is outside of the tree", SHELL_JOB);
  }
}

function lostTerminal(pid: number, comm: string, { ttyNr }: TaskStat): StasisError {
  return new StasisError({
    code: "TREE_UNSUPPORTED",
    doing: "dump",
    subject: { kind: "process", pid: asPid(pid), comm },
    reason: `no process of the tree has its controlling terminal (device ${ttyNr >> 8}:${ttyNr & 0xff}) open`,
    remedy: "pass --shell-job to leave it behind, or have it keep a descriptor of that terminal",
  });
}
