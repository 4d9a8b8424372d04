// `stasis restore -D DIRECTORY [-d]`
import { W } from "../kernel/abi/process.js";
import { asPid } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { sys } from "../kernel/syscalls.js";
import { type Given, type Options, settle } from "../options/index.js";
import { restoreOptions } from "../options/views.js";
import { StasisError } from "../report/error.js";
import { engine } from "../service/engine.js";
import { becomeProgram } from "../service/exec.js";
import { explain } from "../service/failure.js";
import { createPidfile } from "../service/pidfile.js";
import { checkInherited, pidfileIn } from "../service/restore.js";
import { scriptRunner } from "../service/scripts.js";
import { workspaceOfCommand } from "../service/workspace.js";
import { progressOf } from "./progress-of.js";

const tree = { kind: "host", what: "the process tree" } as const;

/** Result: the exit status. Without -d, it comes when every restored process has ended. @throws StasisError for options that do not fit */
export async function restoreCommand(given: Given, operands: readonly string[]): Promise<number> {
  const options = settle(given, "restore");
  const program = programIn(operands, options);
  refuseWaitingForSibling(options);
  const view = restoreOptions(options);
  checkInherited(view);
  using workspace = workspaceOfCommand(options);
  const { images, workDir, log } = workspace;
  const scripts = scriptRunner(options.actionScripts, { images, workDir, log, rootPid: undefined });
  using shown = await progressOf(options);
  const progress = shown?.tell;
  try {
    using pidfile = createPidfile(pidfileIn(workDir, options.pidfile));
    const { rootPid } = engine.restore({ options: view, images, workDir, log, notify: scripts.notify, progress });
    pidfile.write(rootPid);
    log.info(`restored, the root is pid ${rootPid}`);
  } catch (thrown) {
    log.failure(explain(thrown, "restore", tree));
    return 1;
  }
  const status = becomeProgram(program, log);
  if (!options.detached) awaitChildren();
  return status;
}

/** Not among the options: only a command line has words behind them. */
function programIn(operands: readonly string[], { execOperands }: Options): readonly string[] {
  if (execOperands === operands.length > 0) return operands;
  throw new StasisError({
    code: "OPTION_INVALID",
    doing: "restore with",
    subject: { kind: "option", name: "exec-cmd" },
    reason: execOperands ? "no program stands behind --" : "words without it mean nothing",
    remedy: "write --exec-cmd -- PROGRAM ARGUMENTS",
  });
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
