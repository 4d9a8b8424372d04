// What the service needs of the engine. An interface, so that a test can serve without dumping anything.
import type { Fd } from "../kernel/brand.js";
import { check, features } from "../operations/check.js";
import { checkProcessor, dumpProcessor } from "../operations/cpuinfo.js";
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
  /** Writes cpuinfo.img. */
  dumpProcessor(images: Fd): void;
  /** `modes`: bits of `cpu_cap`. */
  checkProcessor(images: Fd, modes: number): void;
}

export const engine: Engine = { dump, restore, check, features, dumpProcessor, checkProcessor };
