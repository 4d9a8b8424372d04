// `stasis swrk FD`
import { type Given, settle } from "../options/index.js";
import { engine } from "../service/engine.js";
import { runSwrk } from "../service/swrk.js";
import { Misused } from "./command-line.js";

/** Result: the exit status. */
export function swrkCommand(given: Given, operands: readonly string[]): number {
  const [fd, ...more] = operands;
  if (fd === undefined || more.length > 0 || !/^\d+$/.test(fd)) throw new Misused("usage: stasis swrk FD");
  return runSwrk(Number(fd), engine, given, settle(given, "service"));
}
