// The program: reads the command line, runs one command, ends with CRIU's exit status.
import type { Given } from "../options/index.js";
import { StasisError } from "../report/error.js";
import { withConfiguration } from "../service/configuration.js";
import { criuVersion, programName } from "../service/version.js";
import { Misused, readCommandLine } from "./command-line.js";
import { about, type CommandName } from "./commands.js";

type Run = (given: Given, operands: readonly string[], argv: readonly string[]) => Promise<number>;

/** Result: the exit status. Commands are loaded when they are used. */
const runs: Readonly<Record<Exclude<CommandName, "image">, Run>> = {
  dump: async (given) => (await import("./dump.js")).dumpCommand(given),
  restore: async (given, operands) => (await import("./restore.js")).restoreCommand(given, operands),
  check: async (given) => (await import("./check.js")).checkCommand(given),
  explain: async (given, operands) => (await import("./explain.js")).explainCommand(given, operands),
  cpuinfo: async (given, operands) => (await import("./cpuinfo.js")).cpuinfoCommand(given, operands),
  service: async (given, _operands, argv) => (await import("./service.js")).serviceCommand(given, argv),
  swrk: async (given, operands) => (await import("./swrk.js")).swrkCommand(given, operands),
  completion: async (_given, operands) => (await import("./completion.js")).completionCommand(operands),
};

/** `argv`: the path of the program, then its arguments. Result: the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  const words = argv.slice(1);
  if (words.includes("-V") || words.includes("--version")) {
    const { major, minor } = criuVersion;
    // CRIU's own form comes first: programs look for it.
    process.stdout.write(`Version: ${major}.${minor}\n${programName}\n`);
    return 0;
  }
  try {
    return await runCommand(words, argv);
  } catch (error) {
    if (error instanceof Misused) process.stderr.write(`${error.message}\nTry stasis --help.\n`);
    else if (error instanceof StasisError) process.stderr.write(`${error.message}\n`);
    else throw error;
    return 1;
  }
}

async function runCommand(words: readonly string[], argv: readonly string[]): Promise<number> {
  // crit's words, not CRIU's.
  if (words[0] === "image") return (await import("./image.js")).imageCommand(words.slice(1));
  const { command: name, operands, given, help } = readCommandLine(words);
  if (name !== undefined && !isCommand(name)) throw new Misused(`stasis has no command ${JSON.stringify(name)}`);
  if (help) return await showHelp(name);
  if (name === undefined) throw new Misused("stasis needs a command");
  if (operands.length > 0 && about(name).operands === undefined)
    throw new Misused(`${JSON.stringify(operands[0])} is no option of ${name}`);
  return runs[name](withConfiguration(given), operands, argv);
}

const isCommand = (name: string): name is keyof typeof runs => Object.hasOwn(runs, name);

async function showHelp(name: CommandName | undefined): Promise<number> {
  process.stdout.write((await import("./help.js")).helpOf(name));
  return 0;
}
