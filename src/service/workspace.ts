// Where an operation works: the directory of the images, the work directory, the log.
import { constants, openSync } from "node:fs";
import { isAbsolute } from "node:path";
import { O, O_RDONLY } from "../kernel/abi/fcntl.js";
import { AT_FDCWD, asFd, type Fd } from "../kernel/brand.js";
import { SyscallError } from "../kernel/errno.js";
import { type OwnFd, own } from "../kernel/own-fd.js";
import { Scope } from "../kernel/scope.js";
import { sys } from "../kernel/syscalls.js";
import type { Options } from "../options/index.js";
import { StasisError } from "../report/error.js";
import { asLevel, LineLog } from "../report/log.js";

export interface Workspace extends Disposable {
  readonly images: Fd;
  readonly workDir: Fd;
  readonly log: LineLog;
}

const STDOUT = asFd(1);
const STDERR = asFd(2);
const LOG_MODE = 0o600;

const wrong = (option: string, reason: string, cause?: unknown) =>
  new StasisError({ code: "OPTION_INVALID", doing: "use", subject: { kind: "option", name: option }, reason, cause });

/** Opens a directory as we see it. @throws StasisError OPTION_INVALID */
export function openDirectory(path: string, option: string): OwnFd {
  try {
    return own(sys.openat(AT_FDCWD, path, O_RDONLY | O.O_DIRECTORY | O.O_CLOEXEC, 0));
  } catch (error) {
    if (error instanceof SyscallError)
      throw wrong(option, `${JSON.stringify(path)} cannot be opened as a directory: ${error.errno}`, error);
    throw error;
  }
}

/** The log of an operation, in its work directory. "-" is stdout. @throws StasisError OPTION_INVALID */
export function openLog(name: string, workDir: Fd, level: number): LineLog {
  if (name === "-") return new LineLog(STDOUT, asLevel(level), { owned: false });
  const path = isAbsolute(name) ? name : `/proc/self/fd/${workDir}/${name}`;
  const { O_CREAT, O_TRUNC, O_APPEND, O_WRONLY } = constants;
  try {
    const fd = asFd(openSync(path, O_CREAT | O_TRUNC | O_APPEND | O_WRONLY, LOG_MODE));
    return new LineLog(fd, asLevel(level), { owned: true });
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw wrong(
      "log-file",
      `the log ${JSON.stringify(name)} cannot be made in the work directory: ${String(error.code)}`,
      error,
    );
  }
}

export const stderrLog = (level: number) => new LineLog(STDERR, asLevel(level), { owned: false });

/** Opens the three; what was opened is closed again when a later one fails. */
export function openWorkspace(how: {
  readonly images: () => OwnFd;
  /** Undefined: where the images are. */
  readonly workDir: () => OwnFd | undefined;
  readonly log: (workDir: Fd) => LineLog;
}): Workspace {
  const scope = new Scope();
  try {
    const images = scope.use(how.images()).fd;
    const other = how.workDir();
    const workDir = other === undefined ? images : scope.use(other).fd;
    const log = scope.use(how.log(workDir));
    return { images, workDir, log, [Symbol.dispose]: () => scope[Symbol.dispose]() };
  } catch (error) {
    scope[Symbol.dispose]();
    throw error;
  }
}

/** For a command: directories by path. */
export function workspaceOfCommand(options: Options): Workspace {
  const { workDir, logFile, logLevel } = options;
  return openWorkspace({
    images: () => openDirectory(options.imagesDir ?? ".", "images-dir"),
    workDir: () => (workDir === undefined ? undefined : openDirectory(workDir, "work-dir")),
    log: (at) => (logFile === undefined ? stderrLog(logLevel) : openLog(logFile, at, logLevel)),
  });
}
