// `stasis dump -t PID -D DIRECTORY`
import { asPid } from "../kernel/brand.js";
import { type Given, settle } from "../options/index.js";
import { dumpOptions } from "../options/views.js";
import { StasisError } from "../report/error.js";
import { engine } from "../service/engine.js";
import { explain } from "../service/failure.js";
import { scriptRunner } from "../service/scripts.js";
import { workspaceOfCommand } from "../service/workspace.js";
import { progressOf } from "./progress-of.js";

/** CRIU's exit status when a script refused post-dump: the images are whole, the processes run on. */
const REFUSED_AT_THE_END = 255;

/** Result: the exit status. @throws StasisError for a command line that cannot be carried out */
export async function dumpCommand(given: Given): Promise<number> {
  const options = settle(given, "dump");
  if (options.pid === undefined) throw withoutPid();
  const view = dumpOptions(options, options.pid);
  using workspace = workspaceOfCommand(options);
  const { images, workDir, log } = workspace;
  const scripts = scriptRunner(options.actionScripts, { images, workDir, log, rootPid: asPid(options.pid) });
  using shown = await progressOf(options);
  const progress = shown?.tell;
  try {
    engine.dump({ options: view, images, workDir, log, notify: scripts.notify, progress });
    return 0;
  } catch (thrown) {
    log.failure(explain(thrown, "dump", { kind: "process", pid: asPid(options.pid) }));
    return scripts.refused() === "post-dump" ? REFUSED_AT_THE_END : 1;
  }
}

const withoutPid = () =>
  new StasisError({
    code: "OPTION_INVALID",
    doing: "dump without",
    subject: { kind: "option", name: "tree" },
    reason: "nothing says which process is meant",
    remedy: "pass -t PID",
  });
