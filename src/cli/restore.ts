// `stasis restore -D DIRECTORY [-d]`
import { resolve } from "node:path";
import { W } from "../kernel/abi/process.js";
import { asPid, type Fd, type Pid } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { sys } from "../kernel/syscalls.js";
import { type Given, type Options, settle } from "../options/index.js";
import { restoreOptions } from "../options/views.js";
import { StasisError } from "../report/error.js";
import { engine } from "../service/engine.js";
import { explain } from "../service/failure.js";
import { checkInherited } from "../service/restore.js";
import { writePidfile } from "../service/service.js";
import { workspaceOfCommand } from "../service/workspace.js";
import { scriptRunner } from "./scripts.js";

const tree = { kind: "host", what: "the process tree" } as const;

/** Result: the exit status. Without -d, it comes when every restored process has ended. @throws StasisError for options that do not fit */
export function restoreCommand(given: Given): number {
  const options = settle(given, "restore");
  refuseWaitingForSibling(options);
  const view = restoreOptions(options);
  checkInherited(view);
  using workspace = workspaceOfCommand(options);
  const { images, workDir, log } = workspace;
  const scripts = scriptRunner(options.actionScripts, { images, workDir, log, rootPid: undefined });
  try {
    const { rootPid } = engine.restore({ options: view, images, workDir, log, notify: scripts.notify });
    keepPid(options.pidfile, workDir, rootPid);
    log.info(`restored, the root is pid ${rootPid}`);
  } catch (thrown) {
    log.failure(explain(thrown, "restore", tree));
    return 1;
  }
  if (!options.detached) awaitChildren();
  return 0;
}

/** Relative to the work directory. */
function keepPid(pidfile: string | undefined, workDir: Fd, pid: Pid): void {
  if (pidfile !== undefined) writePidfile(resolve(`/proc/self/fd/${workDir}`, pidfile), pid);
}

function refuseWaitingForSibling({ restoreSibling, detached }: Options): void {
  if (!restoreSibling || detached) return;
  throw new StasisError({
    code: "OPTION_INVALID",
    doing: "restore with",
    subject: { kind: "option", name: "restore-sibling" },
    reason: "the restored root is no child that could be waited for",
    remedy: "pass --restore-detached as well",
  });
}

const ANY_CHILD = asPid(-1);

/** The root is our child, and what it leaves behind goes to init: when we have no child, the root has ended. */
function awaitChildren(): void {
  while (unless("ECHILD", () => sys.wait4(ANY_CHILD, null, W.__WALL, null)) !== undefined);
}
