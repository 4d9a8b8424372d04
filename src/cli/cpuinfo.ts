// `stasis cpuinfo dump|check`
import { type Given, settle } from "../options/index.js";
import { engine } from "../service/engine.js";
import { explain } from "../service/failure.js";
import { workspaceOfCommand } from "../service/workspace.js";
import { Misused } from "./command-line.js";

/** CRIU's exit status when the processor cannot be described. */
const DUMP_FAILED = 255;

/** Result: the exit status. */
export function cpuinfoCommand(given: Given, operands: readonly string[]): number {
  const [verb, ...more] = operands;
  if ((verb !== "dump" && verb !== "check") || more.length > 0) throw new Misused("usage: stasis cpuinfo dump|check");
  const options = settle(given, "cpuinfo");
  using workspace = workspaceOfCommand(options);
  try {
    if (verb === "dump") engine.dumpProcessor(workspace.images);
    else engine.checkProcessor(workspace.images, options.cpuCap);
    return 0;
  } catch (thrown) {
    workspace.log.failure(explain(thrown, verb, { kind: "host", what: "the processor" }));
    return verb === "dump" ? DUMP_FAILED : 1;
  }
}
