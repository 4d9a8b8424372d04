// Calls that only ask. One alone costs two stops of the thread; all that is to be known of a thread is asked in one program.
import { type Address, asAddress } from "../kernel/brand.js";
import type { Layout } from "../kernel/declare/struct.js";
import { isFailure } from "../kernel/declare/syscall.js";
import { SyscallError } from "../kernel/errno.js";
import type { Inside } from "./inside.js";
import type { RemoteCall } from "./program.js";

/** A call to be made in a thread, and what its outcome means. */
export interface Question<T> {
  /** Memory that the kernel fills. */
  readonly sizeBytes: number;
  call(at: Address): RemoteCall;
  decode(result: bigint, bytes: Uint8Array): T;
}

/** Asks for what the call returns. */
export const asks = (call: RemoteCall): Question<bigint> => ({
  sizeBytes: 0,
  call: () => call,
  decode: (result) => result,
});

/** Asks for the struct that the call fills. */
export const asksFor = <T>(layout: Layout<T>, call: (at: Address) => RemoteCall): Question<T> => ({
  sizeBytes: layout.sizeBytes,
  call,
  decode: (_result, bytes) => layout.decode(bytes),
});

interface Answer {
  readonly call: RemoteCall;
  readonly result: bigint;
  readonly bytes: Uint8Array;
}

/** What a thread answers to questions that are all asked when this is made. */
export class Answers {
  readonly #answers = new Map<Question<unknown>, Answer>();

  constructor(
    private readonly inside: Inside,
    questions: readonly Question<unknown>[],
  ) {
    const places = [0];
    for (const { sizeBytes } of questions) places.push((places.at(-1) ?? 0) + sizeBytes);
    const place = (index: number) => places[index] ?? 0;
    using room = inside.holding(new Uint8Array(place(questions.length)));
    const calls = questions.map((question, index) => question.call(asAddress(room.at + BigInt(place(index)))));
    const results = inside.run(calls, { keepGoing: true });
    const filled = inside.memory.read(room.at, room.sizeBytes);
    questions.forEach((question, index) => {
      const [call, result] = [calls[index], results[index]];
      if (call === undefined || result === undefined) throw new RangeError("a question without an answer");
      this.#answers.set(question, { call, result, bytes: filled.subarray(place(index), place(index + 1)) });
    });
  }

  /** Throws SyscallError when the kernel said no to this one. */
  of<T>(question: Question<T>): T {
    const answer = this.#answers.get(question);
    if (answer === undefined) throw new RangeError("that was not asked");
    const { call, result, bytes } = answer;
    if (isFailure(result)) throw new SyscallError(call.row.name, -Number(result), call.shown(), this.inside.tracee.tid);
    return question.decode(result, bytes);
  }
}
