// What dump and restore are asked, and what they answer.
import type { DumpStatsEntry } from "../images/format/entries.js";
import type { Fd, Pid } from "../kernel/brand.js";
import type { DumpOptions, RestoreOptions } from "../options/views.js";
import { type Report, StasisError } from "../report/error.js";
import type { Log } from "../report/log.js";
import type { OnProgress } from "../report/progress.js";

export type ScriptName =
  | "status-ready"
  | "pre-dump"
  | "post-dump"
  | "query-ext-files"
  | "pre-restore"
  | "post-restore"
  | "pre-resume"
  | "post-resume";
interface Request {
  readonly images: Fd;
  readonly workDir: Fd;
  readonly log: Log;
  readonly notify: (script: ScriptName, pid?: Pid) => boolean;
  /** Told again and again while work goes on. */
  readonly progress?: OnProgress | undefined;
}
export interface DumpRequest extends Request {
  readonly options: DumpOptions;
  readonly peer?: { readonly pid: Pid; readonly socketInode: bigint };
  /** Asked when the tree is frozen, for objects that stay outside of the images: keys of --external. Throws StasisError to end the dump. */
  readonly queryExternal?: () => readonly string[];
}
export interface RestoreRequest extends Request {
  readonly options: RestoreOptions;
  /** As in RestoreContext. */
  readonly giveTerminal?: (master: Fd) => boolean;
}
export interface DumpOutcome {
  readonly stats: DumpStatsEntry;
}
export interface RestoreOutcome {
  readonly rootPid: Pid;
}
export class RestoreFailed extends StasisError {
  constructor(
    report: Report,
    readonly rootPid: Pid,
  ) {
    super(report);
  }
}
