// A file with a pid and no newline, as CRIU writes it: new, for its owner only. It is made before the work begins, so that one which is
// there already stops the work and not its end.
import { closeSync, constants, openSync, rmSync, writeSync } from "node:fs";
import { StasisError } from "../report/error.js";

const MODE = 0o600;

export interface Pidfile extends Disposable {
  /** From here on the file stays. */
  write(pid: number): void;
}

/** Disposed without having been written, it is removed. @throws StasisError IO_FAILED when it exists */
export function createPidfile(path: string | undefined): Pidfile {
  if (path === undefined) return { write: () => undefined, [Symbol.dispose]: () => undefined };
  const fd = open(path);
  let written = false;
  return {
    write(pid) {
      writeSync(fd, String(pid));
      written = true;
    },
    [Symbol.dispose]() {
      closeSync(fd);
      if (!written) rmSync(path, { force: true });
    },
  };
}

function open(path: string): number {
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  try {
    return openSync(path, O_CREAT | O_EXCL | O_WRONLY, MODE);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new StasisError({
      code: "IO_FAILED",
      doing: "write the pid file",
      subject: { kind: "path", path },
      reason: error.code === "EEXIST" ? "it exists already" : String(error.code),
      cause: error,
    });
  }
}
