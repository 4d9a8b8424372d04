// Calls of our own that are put off until there are many, and then made together (batch.ts).
import { failureOf, type PreparedCall, runTogether } from "./batch.js";
import { type ErrnoName, errno, type SyscallError } from "./errno.js";

/** Throws what a failure of the call means; returns when it means nothing. */
type OnFailure = (error: SyscallError) => void;

const throwIt: OnFailure = (error) => {
  throw error;
};

/** What is expected means nothing. */
export const except =
  (expected: ErrnoName): OnFailure =>
  (error) => {
    if (error.number !== errno[expected]) throw error;
  };

const AT_ONCE = 1024;

/** They are made in their order; when one fails, those behind it were made all the same. */
export class DeferredCalls {
  readonly #calls: PreparedCall[] = [];
  readonly #failed: OnFailure[] = [];

  later(call: PreparedCall, failed: OnFailure = throwIt): void {
    this.#calls.push(call);
    this.#failed.push(failed);
    if (this.#calls.length >= AT_ONCE) this.now();
  }

  /** Makes those that are left. */
  now(): void {
    const [calls, failed] = [this.#calls.splice(0), this.#failed.splice(0)];
    for (const [index, result] of runTogether(calls).entries()) {
      const call = calls[index];
      const error = call && failureOf(call, result);
      if (error !== undefined) failed[index]?.(error);
    }
  }
}
