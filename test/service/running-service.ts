// A service as a process of its own.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const program = fileURLToPath(new URL("../../../bin/stasis", import.meta.url));

export interface RunningService extends AsyncDisposable {
  readonly path: string;
  readonly process: ChildProcess;
  /** Ends it; result: its exit status, null when the signal ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts it in `directory`, and waits until it says that it is ready. */
export const startServiceIn = (directory: string, name: string, ...more: readonly string[]) =>
  startServiceBy([], directory, name, ...more);

/** `command` starts it: in other namespaces, for one. */
export async function startServiceBy(
  command: readonly string[],
  directory: string,
  name: string,
  ...more: readonly string[]
): Promise<RunningService> {
  const path = join(directory, `${name}.socket`);
  const [file = program, ...args] = [...command, program, "service", "--address", path, "--status-fd", "3", ...more];
  const child = spawn(file, args, { cwd: directory, stdio: ["ignore", "ignore", "inherit", "pipe"] });
  const exited = once(child, "exit");
  const status = child.stdio[3];
  assert.ok(status !== null && status !== undefined && "setEncoding" in status);
  const [ready] = await Promise.race([once(status, "data"), exited]);
  assert.equal(String(ready), "\0");
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    if (child.exitCode === null) child.kill(signal);
    const [code] = await exited;
    return typeof code === "number" ? code : null;
  };
  return { path, process: child, stop, [Symbol.asyncDispose]: async () => void (await stop("SIGTERM")) };
}
