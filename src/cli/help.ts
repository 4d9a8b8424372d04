// What `--help` prints, and how options look there, in the manual and in the README of a command.
import { meansSomething, type OptionName, optionNames, options } from "../options/index.js";
import { aliases } from "./aliases.js";
import { about, type CommandName, commandNames } from "./commands.js";

const WIDTH = 80;
const INDENT = 6;

/** The options of a command that can be given on its line and are supported, by their long names. */
export function optionsOf(command: CommandName): OptionName[] {
  const { operation } = about(command);
  if (operation === undefined) return [];
  return optionNames.filter((name) => {
    const { cli, isRefused } = options[name];
    return cli !== undefined && isRefused !== true && meansSomething(options[name], operation);
  });
}

/** "-t, --tree N", "-j, --[no-]shell-job" */
export function optionForms(name: OptionName): string {
  const { cli = "", short, argument, placeholder = "VALUE" } = options[name];
  const value = { none: "", optional: `[=${placeholder}]`, required: ` ${placeholder}` }[argument];
  const long = `--${hasNoForm(name) ? "[no-]" : ""}${cli}${value}`;
  const others = Object.entries(aliases).flatMap(([alias, meant]) => (meant === name ? [alias] : []));
  return [...(short === undefined ? [] : [`-${short}`]), long, ...others].join(", ");
}

export const hasNoForm = (name: OptionName): boolean =>
  options[name].argument === "none" && options[name].cli?.startsWith("no-") === false;

export function helpOf(command: CommandName | undefined): string {
  return `${(command === undefined ? overview() : details(command)).join("\n")}\n`;
}

function overview(): string[] {
  const longest = Math.max(...commandNames.map((name) => name.length));
  return [
    "usage: stasis COMMAND [OPTIONS]",
    "",
    "Dumps running process trees into the images of CRIU, and brings them back.",
    "",
    "Commands:",
    ...commandNames.map((name) => `  ${name.padEnd(longest)}  ${about(name).summary}`),
    "",
    "  -h, --help     show this, or the options of a command: stasis dump --help",
    "  -V, --version  show the version",
    "",
    "The manual: man stasis. Options may stand in /etc/criu/default.conf too.",
  ];
}

function details(command: CommandName): string[] {
  const { operands, description, examples = [] } = about(command);
  const names = optionsOf(command);
  const usage = [
    "usage: stasis",
    command,
    ...(names.length === 0 ? [] : ["[OPTIONS]"]),
    ...(operands ? [operands] : []),
  ];
  return [
    usage.join(" "),
    "",
    ...wrap(description, 0),
    ...(names.length === 0 ? [] : ["", "Options:"]),
    ...names.flatMap((name) => [`  ${optionForms(name)}`, ...wrap(options[name].summary, INDENT)]),
    ...(examples.length === 0 ? [] : ["", "Examples:", ...examples.map((line) => `  ${line}`)]),
  ];
}

export function wrap(text: string, indent: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && indent + longer.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line].map((one) => " ".repeat(indent) + one);
}
