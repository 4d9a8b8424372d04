// Which configuration files there are, and what they say. criu(8), CONFIGURATION FILES.
import { readFileSync } from "node:fs";
import { givenInConfig, mergeGiven } from "../options/config.js";
import type { Given } from "../options/index.js";
import { StasisError } from "../report/error.js";

const GLOBAL = "/etc/criu/default.conf";
const IN_HOME = ".criu/default.conf";
/** Nothing that a person writes is larger. */
const MAX_BYTES = 1 << 20;

/** A file that is not there says nothing: runc names one that nobody has to write. @throws StasisError */
export function readConfiguration(path: string): Given {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return {};
    throw unusable(path, `it cannot be read: ${String(error.code)}`);
  }
  if (text.length > MAX_BYTES) throw unusable(path, `it has more than ${MAX_BYTES} bytes`);
  return givenInConfig(text, path);
}

const unusable = (path: string, reason: string) =>
  new StasisError({ code: "OPTION_INVALID", doing: "use", subject: { kind: "path", path }, reason });

/** What files and the command line say together, each over the ones before: the global file, the user's, $CRIU_CONFIG_FILE, --config, the words. */
export function withConfiguration(given: Given, environment: NodeJS.ProcessEnv = process.env): Given {
  const { HOME: home, CRIU_CONFIG_FILE: named } = environment;
  const defaults =
    given.noDefaultConfig === true ? [] : [GLOBAL, ...(home === undefined ? [] : [`${home}/${IN_HOME}`])];
  const { configFile } = given;
  const files = [...defaults, named, typeof configFile === "string" ? configFile : undefined];
  const said = files.filter((file) => file !== undefined).map(readConfiguration);
  return [...said, given].reduce(mergeGiven, {});
}
