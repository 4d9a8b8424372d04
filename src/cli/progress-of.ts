// Where the progress of a command goes: to --progress-fd, or to the terminal.
import { asFd } from "../kernel/brand.js";
import type { Options } from "../options/index.js";
import { progressTo } from "../service/progress.js";
import type { TerminalProgress } from "./progress.js";

/** The bar is loaded for a terminal only. */
export async function progressOf({ progressFd }: Options): Promise<TerminalProgress | undefined> {
  if (progressFd !== undefined) return { tell: progressTo(asFd(progressFd)), [Symbol.dispose]: () => undefined };
  return process.stderr.isTTY ? (await import("./progress.js")).terminalProgress() : undefined;
}
