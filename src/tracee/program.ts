// A program of syscalls: the list that the stub goes through inside a target.
import type { Word } from "../kernel/call.js";
import type { ListedCall } from "../kernel/call-list.js";
import type { Syscall, ThereArgs } from "../kernel/declare/syscall.js";
import { type Syscalls, syscalls } from "../kernel/syscalls.js";

/** One syscall to be made inside a target. */
export type RemoteCall = ListedCall;

type RemoteCalls = {
  readonly [K in keyof Syscalls]: Syscalls[K] extends Syscall<infer A, infer _R>
    ? (...args: ThereArgs<A>) => RemoteCall
    : never;
};

/** Builds entries of a program: `remote.munmap(address, 4096n)` is a call to be made, not one made. */
export const remote = Object.fromEntries(
  Object.entries(syscalls).map(([name, row]) => [name, (...values: unknown[]) => remoteCall(row, values)]),
) as unknown as RemoteCalls;

// A program has 20,000 calls now and then: a loop here is three times as fast as spreads and map().
function remoteCall(row: Syscall, values: readonly unknown[]): RemoteCall {
  const words: Word[] = row.command.slice();
  const { args } = row;
  for (let index = 0; index < args.length; index++) words.push(args[index]?.[1].there(values[index]) ?? 0);
  return { row, words };
}

/** The call must return exactly this, e.g. the length that was asked for. */
export const expecting = ({ row, words }: RemoteCall, expected: bigint): RemoteCall => ({ row, words, expected });
