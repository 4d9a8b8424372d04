// The command line: `stasis COMMAND [OPTIONS]`, options before or after the command, as CRIU's getopt_long(3) takes them. What options there
// are comes from the table in options/.
import { Command, CommanderError, Option } from "commander";
import { type Given, type OptionName, optionNames, options, readText } from "../options/index.js";
import { StasisError } from "../report/error.js";
import { aliases } from "./aliases.js";

export interface CommandLine {
  readonly command: string | undefined;
  /** What stands behind the command and is no option. */
  readonly operands: readonly string[];
  readonly given: Given;
  /** Help is what is wanted. */
  readonly help: boolean;
}
/** Thrown for a command line that cannot be read. */
export class Misused extends Error {}

/** @throws Misused, StasisError OPTION_INVALID */
export function readCommandLine(argv: readonly string[]): CommandLine {
  const given: Record<string, unknown> = {};
  const program = describe((name, text) => {
    given[name] = readText(name, text, given[name]);
  });
  try {
    program.parse(argv.map(completed), { from: "user" });
  } catch (error) {
    if (error instanceof StasisError) throw error;
    if (!(error instanceof CommanderError)) throw error;
    throw new Misused(error.message.replace(/^error: /, ""));
  }
  const [command, ...operands] = program.args;
  return { command, operands, given, help: program.opts()["help"] === true };
}

type Take = (name: OptionName, text: string) => void;

function describe(take: Take): Command {
  const program = new Command("stasis")
    .usage("COMMAND [OPTIONS]")
    .argument("[command]")
    .argument("[operands...]")
    .helpOption(false)
    .option("-h, --help", "show help")
    .option("-V, --version", "show the version")
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  for (const name of optionNames) addOption(program, name, take);
  for (const [alias, name] of Object.entries(aliases)) {
    program.addOption(new Option(alias).hideHelp()).on(`option:${alias.slice(2)}`, () => take(name, ""));
  }
  program.action(() => undefined);
  return program;
}

function addOption(program: Command, name: OptionName, take: Take): void {
  const { cli, short, argument, summary } = options[name];
  if (cli === undefined) return;
  const words = short === undefined ? `--${cli}` : `-${short}, --${cli}`;
  const placeholder = { none: "", optional: " [value]", required: " <value>" }[argument];
  const option = new Option(words + placeholder, summary).hideHelp(summary.startsWith("not supported"));
  program.addOption(option).on(`option:${cli}`, (text: string | null | undefined) => take(name, text ?? ""));
  if (argument !== "none" || cli.startsWith("no-")) return;
  program.addOption(new Option(`--no-${cli}`).hideHelp()).on(`option:no-${cli}`, () => take(name, "no"));
}

/**
 * getopt_long takes an optional argument only when it is joined to its option; commander takes the next word too. An option that stands alone
 * is given its empty argument here.
 */
function completed(word: string): string {
  const option = optionNames
    .map((name) => options[name])
    .find(({ argument, cli, short }) => argument === "optional" && (word === `--${cli}` || word === `-${short}`));
  return option === undefined ? word : `--${option.cli}=`;
}
