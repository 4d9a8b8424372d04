// The program: reads the command line, runs one command, ends with CRIU's exit status.
import type { Given } from "../options/index.js";
import { StasisError } from "../report/error.js";
import { withConfiguration } from "../service/configuration.js";
import { criuVersion, programName } from "../service/version.js";
import { HelpShown, Misused, readCommandLine } from "./command-line.js";

interface Command {
  readonly summary: string;
  readonly operands?: true;
  /** Result: the exit status. Commands are loaded when they are used. */
  run(given: Given, operands: readonly string[], argv: readonly string[]): Promise<number>;
}

const commands: ReadonlyMap<string, Command> = new Map([
  [
    "dump",
    {
      summary: "dump a process tree (-t) into images",
      run: async (given) => (await import("./dump.js")).dumpCommand(given),
    },
  ],
  [
    "restore",
    {
      summary: "restore the process tree in the images",
      operands: true,
      run: async (given, operands) => (await import("./restore.js")).restoreCommand(given, operands),
    },
  ],
  [
    "check",
    {
      summary: "say whether this host has what is needed",
      run: async (given) => (await import("./check.js")).checkCommand(given),
    },
  ],
  [
    "cpuinfo",
    {
      summary: "dump: describe the processor in the images; check: compare it with them",
      operands: true,
      run: async (given, operands) => (await import("./cpuinfo.js")).cpuinfoCommand(given, operands),
    },
  ],
  [
    "service",
    {
      summary: "serve criurpc on a socket (--address)",
      run: async (given, _operands, argv) => (await import("./service.js")).serviceCommand(given, argv),
    },
  ],
  [
    "swrk",
    {
      summary: "serve criurpc on the inherited socket FD",
      operands: true,
      run: async (given, operands) => (await import("./swrk.js")).swrkCommand(given, operands),
    },
  ],
]);
const summaries = new Map([
  ...[...commands].map(([name, { summary }]) => [name, summary] as const),
  ["image", "look into images as crit does: stasis image --help"] as const,
]);

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
    if (error instanceof HelpShown) return 0;
    if (error instanceof Misused) process.stderr.write(`${error.message}\nTry stasis --help.\n`);
    else if (error instanceof StasisError) process.stderr.write(`${error.message}\n`);
    else throw error;
    return 1;
  }
}

async function runCommand(words: readonly string[], argv: readonly string[]): Promise<number> {
  // crit's words, not CRIU's.
  if (words[0] === "image") return (await import("./image.js")).imageCommand(words.slice(1));
  const { command: name, operands, given } = readCommandLine(words, summaries);
  if (name === undefined) throw new Misused("stasis needs a command");
  const command = commands.get(name);
  if (command === undefined) throw new Misused(`stasis has no command ${JSON.stringify(name)}`);
  if (operands.length > 0 && command.operands === undefined)
    throw new Misused(`${JSON.stringify(operands[0])} is no option of ${name}`);
  return command.run(withConfiguration(given), operands, argv);
}
