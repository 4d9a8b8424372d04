// An engine that dumps nothing, for tests of what stands before it.

import { asPid } from "../../src/kernel/brand.js";
import type { DumpRequest, RestoreRequest } from "../../src/operations/requests.js";
import type { Engine } from "../../src/service/engine.js";

export interface FakeEngine extends Engine {
  /** What it was asked. */
  readonly dumps: DumpRequest[];
  readonly restores: RestoreRequest[];
  /** What clients answered to query-ext-files. */
  readonly external: string[];
}

export function fakeEngine(overrides: Partial<Engine> = {}): FakeEngine {
  const dumps: DumpRequest[] = [];
  const restores: RestoreRequest[] = [];
  const external: string[] = [];
  return {
    dumps,
    restores,
    external,
    dump(request) {
      dumps.push(request);
      if (!request.notify("pre-dump")) throw new Error("refused pre-dump");
      external.push(...(request.queryExternal?.() ?? []));
      if (!request.notify("post-dump")) throw new Error("refused post-dump");
      // Nobody here looks at the statistics.
      return { stats: {} as never };
    },
    restore(request) {
      restores.push(request);
      request.notify("post-restore", asPid(4711));
      return { rootPid: asPid(4711) };
    },
    check: () => undefined,
    dumpProcessor: () => undefined,
    checkProcessor: () => undefined,
    features: () => ({ memTrack: true, lazyPages: false, pidfdStore: true }),
    ...overrides,
  };
}
