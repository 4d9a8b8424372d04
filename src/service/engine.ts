// What the service needs of the engine. An interface, so that a test can serve without dumping anything.
import { check, features } from "../operations/check.js";
import { dump } from "../operations/dump.js";
import type { DumpOutcome, DumpRequest, RestoreOutcome, RestoreRequest } from "../operations/requests.js";
import { restore } from "../operations/restore.js";

/** What the kernel and we can do: `criu_features`. */
export interface Features {
  readonly memTrack: boolean;
  readonly lazyPages: boolean;
  readonly pidfdStore: boolean;
}

/** Each call throws StasisError when it fails. */
export interface Engine {
  dump(request: DumpRequest): DumpOutcome;
  restore(request: RestoreRequest): RestoreOutcome;
  check(): unknown;
  features(): Features;
}

export const engine: Engine = { dump, restore, check, features };
