// Action scripts: files that are run at every step that has a name. Environment and order are CRIU's.
import { spawnSync } from "node:child_process";
import type { Fd, Pid } from "../kernel/brand.js";
import type { ScriptName } from "../operations/requests.js";
import type { Log } from "../report/log.js";
import type { Notify } from "./notify.js";

export interface ScriptRunner {
  readonly notify: Notify;
  /** The first step that a script refused. */
  refused(): ScriptName | undefined;
}

/**
 * Runs `files`, the last one first, without arguments, in the work directory. A step is refused when one of them fails; the others run all the
 * same. `rootPid`: the root of the tree, where it is known from the start.
 */
export function scriptRunner(
  files: readonly string[],
  { images, workDir, log, rootPid }: { images: Fd; workDir: Fd; log: Log; rootPid: Pid | undefined },
): ScriptRunner {
  let root = rootPid;
  let refused: ScriptName | undefined;
  return {
    refused: () => refused,
    notify(script, pid) {
      root = pid ?? root;
      const env = {
        ...process.env,
        CRTOOLS_SCRIPT_ACTION: script,
        CRTOOLS_IMAGE_DIR: `/proc/${process.pid}/fd/${images}`,
        ...(root === undefined ? {} : { CRTOOLS_INIT_PID: String(root) }),
      };
      const accepted = files.toReversed().map((file) => succeeds(file, script, env, workDir, log));
      if (accepted.every(Boolean)) return true;
      refused ??= script;
      return false;
    },
  };
}

function succeeds(file: string, script: ScriptName, env: NodeJS.ProcessEnv, workDir: Fd, log: Log): boolean {
  log.info(`running ${file} for ${script}`);
  const { status, signal, error } = spawnSync(file, { env, cwd: `/proc/self/fd/${workDir}`, stdio: "inherit" });
  if (status === 0) return true;
  log.error(
    `the action script ${file} refuses ${script}: ${error?.message ?? (signal === null ? `status ${status}` : signal)}`,
  );
  return false;
}
