// A worker as its supervisor has it: a process, what it says of itself, and the connection that it serves.
import { type ChildProcess, spawn } from "node:child_process";
import type { Fd } from "../kernel/brand.js";
import type { OwnFd } from "../kernel/own-fd.js";
import { newSocketPair, setNonBlocking } from "../kernel/packets.js";
import type { LineLog } from "../report/log.js";
import { giveWay, hurry } from "./priority.js";
import { Watch } from "./watch.js";
import { AGAIN, CONTROL_FD, END, GO_ON, READY, TAKEN, type WorkerSettings } from "./worker.js";

/** How long one that was killed may take to end before its client is answered. */
const DYING_MS = 2000;

export interface WorkerOptions {
  /** The module that it runs. */
  readonly program: string;
  readonly listening: Fd;
  readonly settings: WorkerSettings;
  /** After so long without a sign of life one that serves is ended; 0: never. */
  readonly silentMs: number;
  readonly log: LineLog;
}
/** Told by a worker. */
export interface WorkerEvents {
  /** It could wait for its first client: whether it shall. */
  ready(): boolean;
  /** It has a client. */
  taken(): void;
  /** It could wait for another client: whether it shall. */
  again(): boolean;
  /** It has ended, `state` is what it did; told once. */
  gone(state: WorkerState, how: string): void;
}
export type WorkerState = "starting" | "waiting" | "serving" | "ending";

export class WorkerProcess {
  #state: WorkerState = "starting";
  readonly #process: ChildProcess;
  /** Our end of the channel by which it hands over connections. */
  readonly #channel: OwnFd;
  #watch: Watch | undefined;
  #isGone = false;

  constructor(
    readonly options: WorkerOptions,
    readonly events: WorkerEvents,
  ) {
    const { program, listening, settings, log } = options;
    const [channel, theirs] = newSocketPair();
    setNonBlocking(channel.fd);
    using handedOver = theirs;
    this.#channel = channel;
    this.#process = spawn(process.execPath, [program, JSON.stringify(settings)], {
      stdio: ["ignore", "inherit", log.fd, listening, "pipe", handedOver.fd],
    });
    const { pid } = this.#process;
    const control = this.#process.stdio[CONTROL_FD];
    // A worker that was killed leaves the pipe; that it is gone is said by "exit".
    control?.on("error", (error) => log.debug(`worker ${pid}: ${error.message}`));
    control?.on("data", (said: Buffer) => {
      for (const word of said.toString("latin1")) this.#hear(word);
    });
    this.#process.on("error", (error) => this.#gone(`cannot be started: ${error.message}`));
    this.#process.on("exit", (code, signal) => this.#gone(`ended with ${signal ?? `status ${code}`}`));
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** Somebody else waits for a client: it may take its time to get ready. */
  giveWay(): void {
    const { pid } = this.#process;
    if (pid !== undefined) giveWay(pid);
  }

  /** There is nobody else to wait for a client. */
  hurry(): void {
    const { pid } = this.#process;
    if (pid !== undefined) hurry(pid);
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  #hear(word: string): void {
    if (this.#isGone) return;
    if (word === TAKEN) this.#serve();
    else if (word === READY) this.#answer(this.events.ready());
    else if (word === AGAIN) this.#answer(this.events.again());
    else this.#watch?.hear(word);
  }

  #serve(): void {
    this.#state = "serving";
    this.#watch?.[Symbol.dispose]();
    this.#watch = new Watch({ silentMs: this.options.silentMs, end: () => this.#endHung() }, this.#channel.fd);
    this.events.taken();
  }

  #answer(mayGoOn: boolean): void {
    this.#state = mayGoOn ? "waiting" : "ending";
    const control = this.#process.stdio[CONTROL_FD];
    if (control !== null && control !== undefined && "write" in control) control.write(mayGoOn ? GO_ON : END);
  }

  /** One that sleeps in the kernel may outlast its SIGKILL: its client does not wait for that. */
  #endHung(): void {
    this.options.log.warn(`worker ${this.#process.pid} gives no sign of life: it is ended`);
    this.kill();
    setTimeout(() => this.#tellClient("does not end"), DYING_MS).unref();
  }

  /** Its client gets the answer that it cannot give any more. */
  #tellClient(how: string): void {
    const error = this.#watch?.lost(how);
    if (error !== undefined) this.options.log.failure(error);
  }

  #gone(how: string): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#tellClient(how);
    this.#channel[Symbol.dispose]();
    this.options.log.debug(`worker ${this.#process.pid} was ${this.#state} and ${how}`);
    this.events.gone(this.#state, how);
  }
}
