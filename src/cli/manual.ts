// The manual page stasis(1), in the macros of man(7), from the tables of commands and options.
import { optionNames, options } from "../options/index.js";
import { about, commandNames } from "./commands.js";
import { optionForms, optionsOf } from "./help.js";

/** A hyphen that is to be copied, and what would begin a request. */
const troff = (text: string) =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll(/^([.'])/gm, "\\&$1");

export function manualPage(): string {
  return [
    '.\\" Made by `npm run docs` from src/cli/commands.ts and src/options.',
    '.TH STASIS 1 "" "stasis" "User Commands"',
    ".SH NAME",
    "stasis \\- dump running process trees into images, and bring them back",
    ".SH SYNOPSIS",
    ".B stasis",
    ".I COMMAND",
    "[\\fIOPTIONS\\fR]",
    ".SH DESCRIPTION",
    "stasis does what",
    ".BR criu (8)",
    "does: it freezes a tree of processes, writes all that they are into files, and makes them again later, with the same pids.",
    "Its images, options, RPC and exit codes are those of CRIU. Options may stand before or behind the command.",
    ".SH COMMANDS",
    ...commandNames.flatMap((name) => {
      const { operands = "", description, examples = [] } = about(name);
      return [
        ".TP",
        `\\fB${name}\\fR ${troff(operands)}`.trimEnd(),
        troff(description),
        ...(examples.length === 0 ? [] : [".IP", ".EX", ...examples.map(troff), ".EE"]),
      ];
    }),
    ".SH OPTIONS",
    "An option without a command in parentheses means something to all that take options. A flag has a form with no\\-, which takes it back.",
    ...shownOptions().flatMap((name) => [".TP", `.B ${troff(optionForms(name))}`, troff(describe(name))]),
    ".SH REFUSED OPTIONS",
    "Options of CRIU that are known and refused by name, because what they ask for is not supported yet:",
    `${troff(refusedOptions().join(", "))}.`,
    ".SH FILES",
    ".TP",
    ".I /etc/criu/default.conf, ~/.criu/default.conf",
    "Options, one a line, without the dashes. What is given with \\-\\-config counts more, the command line most.",
    ".SH EXIT STATUS",
    "0: it went well. 1: it did not, and one sentence on stderr or in the log says why.",
    "255: swrk met a client that keeps no protocol, or a script refused the end of a dump.",
    ".SH SEE ALSO",
    ".BR criu (8),",
    ".BR crit (1)",
    "",
  ].join("\n");
}

const shownOptions = () => {
  const shown = new Set(commandNames.flatMap(optionsOf));
  return optionNames.filter((name) => shown.has(name));
};

const refusedOptions = () =>
  optionNames.flatMap((name) => {
    const { cli, isRefused } = options[name];
    return cli === undefined || isRefused !== true ? [] : [`--${cli}`];
  });

function describe(name: (typeof optionNames)[number]): string {
  const takers = commandNames.filter((command) => optionsOf(command).includes(name));
  const withOptions = commandNames.filter((command) => about(command).operation !== undefined);
  const where = takers.length === withOptions.length ? "" : ` (${takers.join(", ")})`;
  return `${options[name].summary}${where}`;
}
