// `stasis service -d`: the service in the background, detached from the terminal. Node cannot fork, so the same command is started once more
// without -d, and the one in the foreground ends when that one says that it is ready.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeSync } from "node:fs";
import { StasisError } from "../report/error.js";

/** Where the child finds the pipe that it tells us through. */
const STATUS_FD = 3;

/**
 * Starts the service with `commandLine` (the program and its arguments, without -d and --status-fd); resolves when it is ready.
 * @throws StasisError when it is not; what it said on stderr was passed on
 */
export async function startInBackground(commandLine: readonly string[], statusFd: number | undefined): Promise<void> {
  const args = [...process.execArgv, ...commandLine, "--status-fd", String(STATUS_FD)];
  const child = spawn(process.execPath, args, { detached: true, stdio: ["ignore", "ignore", "pipe", "pipe"] });
  child.stderr?.pipe(process.stderr);
  const status = child.stdio[STATUS_FD];
  const ready = new Promise<boolean>((resolve) => {
    status?.once("data", () => resolve(true)).once("close", () => resolve(false));
  });
  await once(child, "spawn");
  if (!(await ready)) {
    throw new StasisError({
      code: "IO_FAILED",
      doing: "start",
      subject: { kind: "host", what: "the service in the background" },
      reason: "it ended before it was ready",
    });
  }
  if (statusFd !== undefined) writeSync(statusFd, "\0");
  child.stderr?.destroy();
  child.unref();
}
