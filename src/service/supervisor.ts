// Keeps a few workers waiting. They accept by themselves, and a request waits for no message between processes; the supervisor is given each
// connection as well, so that it can answer when its worker is lost (worker-process.ts).
import { getPriority } from "node:os";
import { fileURLToPath } from "node:url";
import type { Fd } from "../kernel/brand.js";
import { stopListening } from "../kernel/packets.js";
import { StasisError } from "../report/error.js";
import type { WorkerSettings } from "./worker.js";
import { type WorkerOptions, WorkerProcess, type WorkerState } from "./worker-process.js";

const WORKER = fileURLToPath(new URL("./worker-main.js", import.meta.url));
/** A start costs a processor up to half a second, which the request that is served now should rather have. */
const REPLACE_AFTER_MS = 1000;
/** So many starts in a row without a worker: it will not get better. */
const MAX_FAILED_STARTS = 3;
/** How long those that serve may take to finish when the service ends. */
const GRACE_MS = 10_000;

export interface SupervisorOptions extends Omit<WorkerOptions, "program" | "listening" | "settings"> {
  readonly settings: Omit<WorkerSettings, "nice">;
  /** How many wait for a client. */
  readonly waiting: number;
  /** How many there are at most, those that serve included. */
  readonly most: number;
  readonly worker?: string;
}

/** A promise and what settles it. */
interface Outcome {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: StasisError) => void;
}

export class Supervisor {
  readonly #workers = new Set<WorkerProcess>();
  #failedStarts = 0;
  #stopping = false;
  #replace: NodeJS.Timeout | undefined;
  readonly #started = newOutcome();
  readonly #ended = newOutcome();

  constructor(
    readonly listening: Fd,
    readonly options: SupervisorOptions,
  ) {
    this.#ended.promise.catch(() => undefined); // who does not look at it looks at `start`
  }

  /** Resolves when the first worker waits for a client. @throws StasisError when none can be started */
  start(): Promise<void> {
    this.#fill();
    return this.#started.promise;
  }

  /** Resolves when no worker is left after `stop`; rejects when no worker can be started. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** No new connection from here on; those that are served may finish. Called again: they may not. */
  stop(): void {
    const graceMs = this.#stopping ? 0 : GRACE_MS;
    if (!this.#stopping) stopListening(this.listening);
    this.#stopping = true;
    clearTimeout(this.#replace);
    setTimeout(() => {
      for (const worker of this.#workers) worker.kill();
    }, graceMs).unref();
    if (this.#workers.size === 0) this.#ended.resolve();
  }

  #count(...states: readonly WorkerState[]): number {
    return [...this.#workers].filter(({ state }) => states.includes(state)).length;
  }

  #fill(): void {
    clearTimeout(this.#replace);
    this.#replace = undefined;
    const { waiting, most } = this.options;
    while (!this.#stopping && this.#count("starting", "waiting") < waiting && this.#workers.size < most) this.#spawn();
  }

  #fillSoon(): void {
    if (this.#count("starting", "waiting") === 0) this.#fill();
    else this.#replace ??= setTimeout(() => this.#fill(), REPLACE_AFTER_MS);
  }

  #spawn(): void {
    const { worker: program = WORKER, silentMs, log } = this.options;
    const settings = { ...this.options.settings, nice: getPriority() };
    const isAwaited = this.#count("waiting") === 0;
    const worker: WorkerProcess = new WorkerProcess(
      { program, listening: this.listening, settings, silentMs, log },
      {
        ready: () => {
          this.#failedStarts = 0;
          this.#started.resolve();
          return this.#wantsAnother();
        },
        taken: () => this.#taken(),
        again: () => this.#wantsAnother(),
        gone: (state, how) => this.#gone(worker, state, how),
      },
    );
    this.#workers.add(worker);
    if (!isAwaited) worker.giveWay();
  }

  /** Those that start count for nothing: who asks is ready. */
  #wantsAnother(): boolean {
    return !this.#stopping && this.#count("waiting") < this.options.waiting;
  }

  #taken(): void {
    if (this.#count("waiting") === 0)
      for (const worker of this.#workers) if (worker.state === "starting") worker.hurry();
    this.#fillSoon();
  }

  #gone(worker: WorkerProcess, state: WorkerState, how: string): void {
    this.#workers.delete(worker);
    if (this.#stopping) {
      if (this.#workers.size === 0) this.#ended.resolve();
      return;
    }
    if (state === "starting" && ++this.#failedStarts >= MAX_FAILED_STARTS) this.#giveUp(how);
    else this.#fillSoon();
  }

  #giveUp(how: string): void {
    const error = new StasisError({
      code: "BUG",
      doing: "start",
      subject: { kind: "host", what: "the workers of the service" },
      reason: `${MAX_FAILED_STARTS} in a row were not ready, the last one ${how}`,
    });
    this.#started.reject(error);
    this.#ended.reject(error);
    this.stop();
  }
}

function newOutcome(): Outcome {
  let settle: Pick<Outcome, "resolve" | "reject"> = { resolve: () => undefined, reject: () => undefined };
  const promise = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle };
}
