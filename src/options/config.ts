// Configuration files: an option a line without its dashes, `#` begins a comment, a value may stand in double quotes with \" inside.
// Format: criu(8), CONFIGURATION FILES. As on a command line, `=` may stand before the value: CRIU hands each word to getopt_long(3).
import { StasisError } from "../report/error.js";
import { type Given, type OptionName, optionNames, options, readText } from "./index.js";

/** @throws StasisError OPTION_INVALID that names the file and the line */
export function givenInConfig(text: string, path: string): Given {
  const given: Record<string, unknown> = {};
  for (const [index, line] of text.split("\n").entries()) {
    const statement = read(line, (reason) => wrong(path, index + 1, reason));
    if (statement === undefined) continue;
    const { name, value } = statement;
    given[name] = readText(name, value, given[name]);
  }
  return given;
}

/** What both say, `later` winning; options that may be repeated add up. */
export function mergeGiven(earlier: Given, later: Given): Given {
  const merged: Record<string, unknown> = { ...earlier };
  for (const name of optionNames) {
    if (later[name] === undefined) continue;
    merged[name] = merged[name] === undefined ? later[name] : options[name].merge(merged[name], later[name]);
  }
  return merged;
}

type Refuse = (reason: string) => StasisError;

function read(line: string, refuse: Refuse): { readonly name: OptionName; readonly value: string } | undefined {
  if (/^\s*(?:#|$)/.test(line)) return undefined;
  const [, word = "", rest = ""] = /^\s*([^\s#=]*)(.*)$/.exec(line) ?? [];
  const value = readValue(rest, refuse);
  const name = named(word);
  const negated = word.startsWith("no-") ? named(word.slice(3)) : undefined;
  const option = name ?? negated;
  if (option === undefined || (name === undefined && options[option].argument !== "none"))
    throw refuse(`there is no option ${JSON.stringify(word)}`);
  const { argument } = options[option];
  if (argument === "none" && value !== undefined) throw refuse(`the option ${word} takes no value`);
  if (argument === "required" && value === undefined) throw refuse(`the option ${word} needs a value`);
  return { name: option, value: name === undefined ? "no" : (value ?? "") };
}

const named = (word: string): OptionName | undefined => optionNames.find((name) => options[name].cli === word);

/** What stands behind the option's name. */
function readValue(rest: string, refuse: Refuse): string | undefined {
  const [, quoted] = /^(?:=|\s+)"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/.exec(rest) ?? [];
  if (quoted !== undefined) return quoted.replaceAll('\\"', '"');
  const [, plain] = /^(?:=|\s*)([^\s#"]*)\s*(?:#.*)?$/.exec(rest) ?? [];
  if (plain === undefined) throw refuse("its value is neither one word nor in double quotes");
  return plain === "" ? undefined : plain;
}

const wrong = (path: string, line: number, reason: string) =>
  new StasisError({
    code: "OPTION_INVALID",
    doing: "use",
    subject: { kind: "path", path },
    reason: `line ${line}: ${reason}`,
  });
