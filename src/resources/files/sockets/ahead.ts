// Many sockets are asked together for what will be asked of each, by us and by a thread of ours (kernel/thread.ts): a unix socket has some forty options, one of
// TCP eighty, and a call takes the kernel 0.25 us.
import { AF_INET, AF_INET6 } from "../../../kernel/abi/in.js";
import { AF_UNIX } from "../../../kernel/abi/socket.js";
import type { SeenSocket } from "../../../kernel/proc/descriptors.js";
import { share } from "../../../kernel/thread.js";
import type { DumpContext } from "../../kind.js";
import { InetSockets } from "./inet.js";
import { UnixSockets } from "./unix.js";

/** From here on a thread is worth its making. */
const MANY = 16;

/** What they say is known to their kinds until it is disposed. */
export function askAhead(sockets: readonly SeenSocket[], context: DumpContext): Disposable {
  if (sockets.length < MANY) return { [Symbol.dispose]: () => {} };
  const of = (...families: readonly number[]) => sockets.filter(({ kind }) => families.includes(kind.family));
  const [unix, inet] = [of(AF_UNIX), of(AF_INET, AF_INET6)];
  const foreseen = [
    ...(unix.length > 0 ? [{ kind: context.once(UnixSockets), those: unix }] : []),
    ...(inet.length > 0 ? [{ kind: context.once(InetSockets), those: inet }] : []),
  ];
  share(foreseen.flatMap(({ kind, those }) => kind.foresee(those))).finish();
  return {
    [Symbol.dispose]: () => {
      for (const { kind } of foreseen) kind.forget();
    },
  };
}
