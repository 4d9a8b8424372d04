// Keeps a few workers waiting. They accept by themselves: the supervisor never sees a connection, and a request waits for no message
// between processes.
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Fd } from "../kernel/brand.js";
import { stopListening } from "../kernel/packets.js";
import { StasisError } from "../report/error.js";
import type { LineLog } from "../report/log.js";
import { AGAIN, CONTROL_FD, END, GO_ON, READY, TAKEN, type WorkerSettings } from "./worker.js";

const WORKER = fileURLToPath(new URL("./worker-main.js", import.meta.url));
/** A start costs a processor some 0.1 s, which the request that is served now should rather have. */
const REPLACE_AFTER_MS = 250;
/** So many starts in a row without a worker: it will not get better. */
const MAX_FAILED_STARTS = 3;
/** How long those that serve may take to finish when the service ends. */
const GRACE_MS = 10_000;

type State = "starting" | "waiting" | "serving";

export class Supervisor {
  readonly #workers = new Map<ChildProcess, State>();
  #failedStarts = 0;
  #stopping = false;
  #replace: NodeJS.Timeout | undefined;
  readonly #started: Promise<void>;
  #settleStarted: { resolve: () => void; reject: (error: StasisError) => void } | undefined;
  /** Resolves when no worker is left after `stop`; rejects when no worker can be started. */
  readonly ended: Promise<void>;
  #settleEnded: { resolve: () => void; reject: (error: StasisError) => void } | undefined;

  constructor(
    readonly listening: Fd,
    readonly options: {
      readonly waiting: number;
      readonly most: number;
      readonly log: LineLog;
      readonly settings: WorkerSettings;
      readonly worker?: string;
    },
  ) {
    this.#started = new Promise((resolve, reject) => {
      this.#settleStarted = { resolve, reject };
    });
    this.ended = new Promise((resolve, reject) => {
      this.#settleEnded = { resolve, reject };
    });
    this.ended.catch(() => undefined); // who does not look at it looks at `start`
  }

  /** Resolves when the first worker waits for a client. @throws StasisError when none can be started */
  start(): Promise<void> {
    this.#fill();
    return this.#started;
  }

  /** No new connection from here on; those that are served may finish. Called again: they may not. */
  stop(): void {
    const graceMs = this.#stopping ? 0 : GRACE_MS;
    if (!this.#stopping) stopListening(this.listening);
    this.#stopping = true;
    clearTimeout(this.#replace);
    setTimeout(() => {
      for (const worker of this.#workers.keys()) worker.kill("SIGKILL");
    }, graceMs).unref();
    if (this.#workers.size === 0) this.#settleEnded?.resolve();
  }

  #count(...states: readonly State[]): number {
    return [...this.#workers.values()].filter((state) => states.includes(state)).length;
  }

  #fill(): void {
    clearTimeout(this.#replace);
    this.#replace = undefined;
    while (
      !this.#stopping &&
      this.#count("starting", "waiting") < this.options.waiting &&
      this.#workers.size < this.options.most
    )
      this.#spawn();
  }

  #fillSoon(): void {
    if (this.#count("starting", "waiting") === 0) this.#fill();
    else this.#replace ??= setTimeout(() => this.#fill(), REPLACE_AFTER_MS);
  }

  #spawn(): void {
    const { log, settings, worker: program = WORKER } = this.options;
    const worker = spawn(process.execPath, [program, JSON.stringify(settings)], {
      stdio: ["ignore", "inherit", log.fd, this.listening, "pipe"],
    });
    this.#workers.set(worker, "starting");
    // A worker that was killed leaves the pipe; that it is gone is said by "exit".
    worker.stdio[CONTROL_FD]?.on("error", (error) => log.debug(`worker ${worker.pid}: ${error.message}`));
    worker.stdio[CONTROL_FD]?.on("data", (said: Buffer) => this.#heard(worker, said.toString("latin1")));
    worker.on("error", (error) => this.#gone(worker, `cannot be started: ${error.message}`));
    worker.on("exit", (code, signal) => this.#gone(worker, `ended with ${signal ?? `status ${code}`}`));
  }

  #heard(worker: ChildProcess, said: string): void {
    for (const word of said) {
      if (!this.#workers.has(worker)) return;
      if (word === TAKEN) {
        this.#workers.set(worker, "serving");
        this.#fillSoon();
      } else if (word === READY) {
        this.#failedStarts = 0;
        this.#workers.set(worker, "waiting");
        this.#settleStarted?.resolve();
      } else if (word === AGAIN) this.#mayGoOn(worker);
    }
  }

  /** Those that start count for nothing: this one is warm. More than are wanted come about when many clients come at once. */
  #mayGoOn(worker: ChildProcess): void {
    const wanted = !this.#stopping && this.#count("waiting") < this.options.waiting;
    if (wanted) this.#workers.set(worker, "waiting");
    const control = worker.stdio[CONTROL_FD];
    if (control !== null && control !== undefined && "write" in control) control.write(wanted ? GO_ON : END);
  }

  #gone(worker: ChildProcess, how: string): void {
    const state = this.#workers.get(worker);
    if (!this.#workers.delete(worker)) return;
    this.options.log.debug(`worker ${worker.pid} was ${state} and ${how}`);
    if (this.#stopping) {
      if (this.#workers.size === 0) this.#settleEnded?.resolve();
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
    this.#settleStarted?.reject(error);
    this.#settleEnded?.reject(error);
    this.stop();
  }
}
