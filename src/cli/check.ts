// `stasis check`
import { findings, refuseMissing } from "../operations/check.js";
import type { Finding } from "../operations/host.js";
import { type Given, settle } from "../options/index.js";
import { explain } from "../service/failure.js";
import { workspaceOfCommand } from "../service/workspace.js";
import { hasFeature } from "./features.js";

/** Result: the exit status, 0 when everything that is needed, or the feature that was asked for, is there. */
export function checkCommand(given: Given): number {
  const options = settle(given, "check");
  using workspace = workspaceOfCommand(options);
  const { log } = workspace;
  const say = (text: string, answer: unknown) =>
    process.stdout.write(options.json ? `${JSON.stringify(answer, undefined, 2)}\n` : text);
  try {
    if (options.feature !== undefined) {
      const { feature } = options;
      hasFeature(feature);
      say(`${feature} is supported\n`, { feature, supported: true });
      return 0;
    }
    const found = findings();
    say(showFindings(found), { usable: isUsable(found), things: found.map(({ cause: _, ...about }) => about) });
    for (const one of found) refuseMissing(one);
    if (!options.json) process.stdout.write("Looks good.\n");
    return 0;
  } catch (thrown) {
    log.failure(explain(thrown, "check", { kind: "host", what: "this host" }));
    return 1;
  }
}

const isUsable = (found: readonly Finding[]) => found.every((one) => one.found || !one.needed);

export function showFindings(found: readonly Finding[]): string {
  const lines = found.flatMap((one) => {
    const line = `${one.found ? "yes" : "no "}  ${one.area.padEnd(11)}${one.name}`;
    return one.found ? [line] : [line, `       without it ${one.without}; ${one.remedy}`];
  });
  return `${lines.join("\n")}\n`;
}
