// execve(2): we become another program, with our pid, our children and what is open without O_CLOEXEC.
import { accessSync, constants } from "node:fs";
import { addressOf } from "./call.js";
import { sys } from "./syscalls.js";

const FALLBACK_PATH = "/usr/local/bin:/bin:/usr/bin";

/** Does not return when it goes well. `argv[0]` is looked up in PATH as by execvp(3). @throws SyscallError */
export function become(argv: readonly [string, ...string[]], environment: NodeJS.ProcessEnv = process.env): void {
  const texts = (list: readonly string[]) => list.map((text) => Buffer.from(`${text}\0`));
  const kept = [
    texts(argv),
    texts(Object.entries(environment).map(([name, value]) => `${name}=${value ?? ""}`)),
  ] as const;
  const [words, variables] = kept.map((list) => new BigUint64Array([...list.map(addressOf), 0n]));
  if (words === undefined || variables === undefined) return;
  sys.execve(found(argv[0], environment["PATH"]), new Uint8Array(words.buffer), new Uint8Array(variables.buffer));
}

/** The first file of that name that may be executed; the name itself when there is none, for the kernel to say why. */
function found(name: string, path = FALLBACK_PATH): string {
  if (name.includes("/")) return name;
  const candidates = path.split(":").map((directory) => `${directory || "."}/${name}`);
  return candidates.find(isExecutable) ?? name;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error) return false;
    throw error;
  }
}
