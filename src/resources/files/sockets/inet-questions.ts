// What is asked of an internet socket, all of it together.
import { AF_INET6, IPV6, SOL_IPV6, SOL_UDP, UDP } from "../../../kernel/abi/in.js";
import { SOCK, type SocketKind } from "../../../kernel/abi/socket.js";
import { type AskedOptions, Asking } from "../../../kernel/asked-options.js";
import type { Fd } from "../../../kernel/brand.js";
import { endsOf } from "../../../kernel/inet-address.js";
import type { ListAt } from "../../../kernel/list-code.js";
import { optionRing } from "../../../kernel/option-ring.js";
import { ipOptions, tcpOptions } from "./ip-options.js";
import { memoryInfo } from "./memory-info.js";
import { MoreOptions } from "./more-options.js";
import { socketOptions } from "./options.js";
import { tcpState } from "./tcp-state.js";
import { isUdp } from "./udp-queue.js";

const V6ONLY = [{ level: SOL_IPV6, name: IPV6.V6ONLY }];
const CORK = [{ level: SOL_UDP, name: UDP.CORK }];

export type InetAnswers = Readonly<
  Record<"ends" | "general" | "ip" | "more" | "memory" | "v6only" | "tcpState" | "tcp" | "cork", AskedOptions>
>;

/** By kind: the calls, which stay the same. */
const askings = new Map<string, Asking<keyof InetAnswers>>();
export const keyOf = ({ family, type, protocol }: SocketKind): string => `${family} ${type} ${protocol}`;

/** Of a kind of socket, in one dump. */
export class InetQuestions {
  readonly more: MoreOptions;
  readonly #asking: Asking<keyof InetAnswers>;

  constructor(kind: SocketKind) {
    this.more = new MoreOptions(kind);
    const isTcp = kind.type === SOCK.SOCK_STREAM;
    const key = keyOf(kind);
    this.#asking =
      askings.get(key) ??
      new Asking(
        {
          ends: endsOf(kind.family),
          general: socketOptions,
          ip: ipOptions(kind),
          more: this.more.options,
          memory: memoryInfo,
          v6only: kind.family === AF_INET6 ? V6ONLY : [],
          tcpState: isTcp ? tcpState : [],
          tcp: isTcp ? tcpOptions : [],
          cork: isUdp(kind) ? CORK : [],
        },
        optionRing(),
      );
    askings.set(key, this.#asking);
  }

  /** As Asking.foresee. */
  foresee(sockets: readonly Fd[]): ListAt[] {
    return this.#asking.foresee(sockets);
  }

  forget(): void {
    this.#asking.forget();
  }

  /** What it gives holds until another socket is asked. */
  ask(socket: Fd): InetAnswers {
    return this.#asking.ask(socket);
  }
}
