// CHECK: whether this machine, and we on it, can dump and restore.
import { SyscallError } from "../kernel/errno.js";
import { StasisError } from "../report/error.js";
import { type Finding, hostThings, look } from "./host.js";

/** Throws StasisError that names the first thing which is needed and missing. */
export function check(): void {
  for (const thing of hostThings) if (thing.needed) refuseMissing(look(thing));
}

/** Everything, in the order of the table. */
export const findings = (): Finding[] => hostThings.map(look);

/** Throws StasisError for what is needed and missing. */
export function refuseMissing({ needed, found, name, remedy, cause }: Finding): void {
  if (found || !needed) return;
  const why = cause instanceof SyscallError ? ` (${cause.errno})` : "";
  throw new StasisError({
    code: "HOST_UNSUPPORTED",
    doing: "dump and restore on",
    subject: { kind: "host", what: "this machine" },
    reason: `it does not have ${name}${why}`,
    remedy,
    cause,
  });
}

/** What criurpc's FEATURE_CHECK asks for. Tracking of changed memory and lazy pages are not supported yet. */
export function features(): { memTrack: boolean; lazyPages: boolean; pidfdStore: boolean } {
  return { memTrack: false, lazyPages: false, pidfdStore: false };
}
