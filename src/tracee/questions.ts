// Calls that only ask. One alone costs two stops of the thread; all that is to be known of a thread is asked in one program.
import { type Address, asAddress, type Pid } from "../kernel/brand.js";
import { CallList } from "../kernel/call-list.js";
import type { Layout } from "../kernel/declare/struct.js";
import { isFailure } from "../kernel/declare/syscall.js";
import { SyscallError } from "../kernel/errno.js";
import { Scope } from "../kernel/scope.js";
import type { Inside } from "./inside.js";
import type { RemoteCall } from "./program.js";
import { runInEach } from "./together.js";

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

/** What is asked of a thread that we are inside of. */
export interface Asking {
  readonly inside: Inside;
  readonly questions: readonly Question<unknown>[];
}

/** What a thread answers to questions. */
export class Answers {
  readonly #answers = new Map<Question<unknown>, Answer>();

  private constructor(private readonly tid: Pid) {}

  /** Asks all threads at the same time; they are of one turn (together.ts). */
  static of(askings: readonly Asking[]): Answers[] {
    using scope = new Scope();
    const asked = askings.map(({ inside, questions }) => {
      const places = placesOf(questions);
      const room = scope.use(inside.holding(new Uint8Array(places.at(-1) ?? 0)));
      const calls = questions.map((question, index) => question.call(asAddress(room.at + BigInt(places[index] ?? 0))));
      const program = scope.use(inside.load(CallList.of(calls), { keepGoing: true }));
      return { inside, questions, places, room, calls, program };
    });
    runInEach(asked.map(({ program }) => program));
    return asked.map(({ inside, questions, places, room, calls, program }) => {
      const answers = new Answers(inside.tracee.tid);
      const results = program.results();
      const filled = inside.memory.read(room.at, room.sizeBytes);
      questions.forEach((question, index) => {
        const [call, result] = [calls[index], results[index]];
        if (call === undefined || result === undefined) throw new RangeError("a question without an answer");
        answers.#answers.set(question, { call, result, bytes: filled.subarray(places[index], places[index + 1]) });
      });
      return answers;
    });
  }

  /** Throws SyscallError when the kernel said no to this one. */
  of<T>(question: Question<T>): T {
    const answer = this.#answers.get(question);
    if (answer === undefined) throw new RangeError("that was not asked");
    const { call, result, bytes } = answer;
    if (isFailure(result))
      throw new SyscallError(call.row.name, -Number(result), CallList.of([call]).shown(0), this.tid);
    return question.decode(result, bytes);
  }
}

/** Where the memory of each begins, and where that of the last one ends. */
function placesOf(questions: readonly Question<unknown>[]): number[] {
  const places = [0];
  for (const { sizeBytes } of questions) places.push((places.at(-1) ?? 0) + sizeBytes);
  return places;
}
