// A worker's signs of life: what it does for its client, and that it still does it. Few bytes, and none for a request of milliseconds.

import type { DumpRequest, RestoreRequest } from "../operations/requests.js";
import { CriuReqType } from "../protocol/gen/rpc_pb.js";
import type { Log } from "../report/log.js";
import type { Watched } from "./session.js";
import { ANSWERED, BEAT, letterOf, WAITS } from "./watch.js";

const BEAT_EVERY_MS = 250;

export class Pulse implements Watched {
  #last = 0;
  #type: CriuReqType = CriuReqType.EMPTY;

  /** `tell`: writes to the supervisor. */
  constructor(readonly tell: (word: string) => unknown) {}

  busyWith(type: CriuReqType): void {
    this.#type = type;
    this.#last = performance.now();
    this.tell(letterOf(type));
    if (type === CriuReqType.WAIT_PID) this.tell(WAITS);
  }

  answered(): void {
    this.tell(ANSWERED);
  }

  beat(): void {
    const now = performance.now();
    if (now - this.#last < BEAT_EVERY_MS) return;
    this.#last = now;
    this.tell(BEAT);
  }

  /** The same request; what it logs and how far it comes are signs of life, and clients may take their time. */
  around(request: DumpRequest | RestoreRequest): Pick<DumpRequest, "log" | "progress" | "notify"> {
    const { progress } = request;
    return {
      log: this.#beating(request.log),
      progress: (reached) => {
        this.beat();
        progress?.(reached);
      },
      notify: (script, pid) => this.waitingFor(() => request.notify(script, pid)),
    };
  }

  #beating(log: Log): Log {
    const also = (write: (text: string) => void) => (text: string) => {
      this.beat();
      write(text);
    };
    return {
      error: also((text) => log.error(text)),
      warn: also((text) => log.warn(text)),
      info: also((text) => log.info(text)),
      debug: also((text) => log.debug(text)),
    };
  }

  waitingFor<T>(client: () => T): T {
    this.tell(WAITS);
    const answer = client();
    this.busyWith(this.#type);
    return answer;
  }
}
