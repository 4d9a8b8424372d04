// `stasis image decode|encode|show|info|x`: crit(1)'s commands, words and exit codes.
import { existsSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { type Explorer, explorers } from "../images/crit/explore.js";
import { decodeImage, encodeImage, imageInfo } from "../images/crit/image.js";
import { readJson, writeJson } from "../images/crit/json.js";
import { StasisError } from "../report/error.js";
import { Misused } from "./command-line.js";

const usage = `usage: stasis image decode [--pretty] [-i FILE] [-o FILE]
       stasis image encode [-i FILE] [-o FILE]
       stasis image show [--nopl] FILE
       stasis image info FILE
       stasis image x DIRECTORY ps|fds|mems|rss`;
const MISUSED = 2;
const INDENT = 4;
const STDIN = 0;

/** Result: the exit status. @throws StasisError, Misused */
export function imageCommand(words: readonly string[]): number {
  const [verb, ...rest] = words;
  const run = verb === undefined || !Object.hasOwn(verbs, verb) ? undefined : verbs[verb];
  if (verb === "-h" || verb === "--help") return say(usage, 0);
  if (run === undefined) return say(usage, verb === undefined ? 1 : MISUSED);
  return run(rest);
}

const verbs: Readonly<Record<string, (words: readonly string[]) => number>> = {
  decode(words) {
    const { values } = read(words, 0);
    const shown = decodeImage(input(values.in), fileName(values.in), { pretty: values.pretty === true });
    const text = writeJson(shown, values.pretty === true ? INDENT : undefined);
    return output(values.out, values.out === undefined ? `${text}\n` : text);
  },
  encode(words) {
    const { values } = read(words, 0);
    return output(values.out, encodeImage(readJson(Buffer.from(input(values.in)).toString("utf8"))));
  },
  show(words) {
    const { values, file } = read(words, 1);
    const shown = decodeImage(input(file), fileName(file), { pretty: true, payload: values.nopl !== true });
    return output(undefined, `${writeJson(shown, INDENT)}\n`);
  },
  info(words) {
    const { file } = read(words, 1);
    return output(undefined, `${writeJson(imageInfo(input(file), fileName(file)), INDENT)}\n`);
  },
  x(words) {
    const { file: directory = "", what = "" } = read(words, 2);
    const explorer: Explorer | undefined = Object.hasOwn(explorers, what) ? explorers[what] : undefined;
    if (explorer === undefined) return say(usage, MISUSED);
    const load = (name: string) =>
      existsSync(join(directory, name)) ? readFileSync(join(directory, name)) : undefined;
    return output(
      undefined,
      explorer(load)
        .map((line) => `${line}\n`)
        .join(""),
    );
  },
};

function read(words: readonly string[], operands: number) {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        pretty: { type: "boolean" },
        nopl: { type: "boolean" },
        in: { type: "string", short: "i" },
        out: { type: "string", short: "o" },
      },
    });
    if (positionals.length !== operands) throw new Misused(usage);
    const [file, what] = positionals;
    return { values, file, what };
  } catch (error) {
    if (error instanceof TypeError) throw new Misused(`${error.message}\n${usage}`);
    throw error;
  }
}

const fileName = (path: string | undefined) => (path === undefined ? "stdin" : basename(path));

function input(path: string | undefined): Uint8Array {
  try {
    return readFileSync(path ?? STDIN);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new StasisError({
      code: "IO_FAILED",
      doing: "read",
      subject: { kind: "path", path: path ?? "stdin" },
      reason: String(error.code),
    });
  }
}

function output(path: string | undefined, content: string | Uint8Array): number {
  if (path !== undefined) writeFileSync(path, content);
  else for (let rest = Buffer.from(content); rest.length > 0; ) rest = rest.subarray(writeSync(1, rest));
  return 0;
}

function say(text: string, status: number): number {
  (status === 0 ? process.stdout : process.stderr).write(`${text}\n`);
  return status;
}
