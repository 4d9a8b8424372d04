// Progress of a request as events: stasis writes lines to the descriptor that `progress_fd` names, one packet each over a socket pair of ours.
// CRIU does not know the field and passes it over: there are no events then.
import type { OwnFd } from "../kernel/own-fd.js";
import { newSocketPair, setNonBlocking } from "../kernel/packets.js";
import { receiveMessageAsync } from "../protocol/framing.js";
import type { OnProgress, Progress } from "../report/progress.js";
import { ConnectionClosed } from "./errors.js";

export class ProgressEvents implements AsyncDisposable {
  readonly #ours: OwnFd;
  readonly #theirs: OwnFd;
  readonly #ended: Promise<void>;

  constructor(tell: OnProgress, signal: AbortSignal) {
    [this.#ours, this.#theirs] = newSocketPair();
    setNonBlocking(this.#ours.fd);
    this.#ended = this.#listen(tell, signal);
    this.#ended.catch(() => undefined); // is looked at when the request has its answer
  }

  /** What the request names. */
  get fd(): number {
    return this.#theirs.fd;
  }

  async #listen(tell: OnProgress, signal: AbortSignal): Promise<void> {
    for (;;) {
      const packet = await receiveMessageAsync(this.#ours.fd, signal);
      if (packet === undefined) return;
      for (const fd of packet.fds) fd[Symbol.dispose]();
      tell(readProgress(packet.data));
    }
  }

  /** When the request has its answer: what was said until then is told. Rejects with what the callback threw. */
  async finish(): Promise<void> {
    this.#theirs[Symbol.dispose]();
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#theirs[Symbol.dispose]();
    await this.#ended.catch(() => undefined);
    this.#ours[Symbol.dispose]();
  }
}

/** @throws ConnectionClosed for anything else */
export function readProgress(line: Uint8Array): Progress {
  const read: unknown = parse(Buffer.from(line).toString("utf8"));
  if (isProgress(read)) return read;
  throw new ConnectionClosed("the service writes something else than progress to progress_fd");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isProgress(read: unknown): read is Progress {
  if (typeof read !== "object" || read === null) return false;
  const { operation, doneBytes, totalBytes } = read as Partial<Record<keyof Progress, unknown>>;
  const isCount = (value: unknown) => typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
  return (operation === "dump" || operation === "restore") && isCount(doneBytes) && isCount(totalBytes);
}
