// What is asked of a unix socket, all of it together.
import { AF_UNIX, SO_PEERCRED, SOL_SOCKET, ucred } from "../../../kernel/abi/socket.js";
import { type AskedOptions, Asking } from "../../../kernel/asked-options.js";
import type { Fd } from "../../../kernel/brand.js";
import type { ListAt } from "../../../kernel/list-code.js";
import { optionRing } from "../../../kernel/option-ring.js";
import { MoreOptions } from "./more-options.js";
import { socketOptions } from "./options.js";

const CREDENTIALS = [{ level: SOL_SOCKET, name: SO_PEERCRED, sizeBytes: ucred.sizeBytes }];

export type UnixAnswers = Readonly<Record<"general" | "more" | "credentials", AskedOptions>>;

/** By type of socket: the calls, which stay the same. */
const askings = new Map<number, Asking<keyof UnixAnswers>>();

/** Of a type of socket, in one dump. */
export class UnixQuestions {
  readonly more: MoreOptions;
  readonly #asking: Asking<keyof UnixAnswers>;

  constructor(type: number) {
    this.more = new MoreOptions({ family: AF_UNIX, type, protocol: 0 });
    const lists = { general: socketOptions, more: this.more.options, credentials: CREDENTIALS };
    this.#asking = askings.get(type) ?? new Asking(lists, optionRing());
    askings.set(type, this.#asking);
  }

  /** As Asking.foresee. */
  foresee(sockets: readonly Fd[]): ListAt[] {
    return this.#asking.foresee(sockets);
  }

  forget(): void {
    this.#asking.forget();
  }

  /** What it gives holds until another socket is asked. */
  ask(socket: Fd): UnixAnswers {
    return this.#asking.ask(socket);
  }
}
