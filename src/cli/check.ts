// `stasis check`
import { type Given, settle } from "../options/index.js";
import { engine } from "../service/engine.js";
import { explain } from "../service/failure.js";
import { workspaceOfCommand } from "../service/workspace.js";
import { hasFeature } from "./features.js";

/** Result: the exit status, 0 when everything that was asked for is there. */
export function checkCommand(given: Given): number {
  const options = settle(given, "check");
  using workspace = workspaceOfCommand(options);
  const { log } = workspace;
  try {
    if (options.feature !== undefined) {
      hasFeature(options.feature);
      process.stdout.write(`${options.feature} is supported\n`);
      return 0;
    }
    engine.check();
    process.stdout.write("Looks good.\n");
    return 0;
  } catch (thrown) {
    log.failure(explain(thrown, "check", { kind: "host", what: "this host" }));
    return 1;
  }
}
