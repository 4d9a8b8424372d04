// What every parser of /proc owes us: any text gives a value or a ProcFormatError, never another error, never a hang.
import fc from "fast-check";
import { ProcFormatError } from "../../../src/kernel/proc/read.js";

/** Throws when `parse` fails on some text in any other way than by ProcFormatError. `seeds`: real texts, to be cut and bent. */
export function understandsOrRefuses(parse: (text: string) => unknown, seeds: readonly string[]): void {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), bent(seeds)), (text) => {
      try {
        parse(text);
      } catch (error) {
        if (!(error instanceof ProcFormatError)) throw error;
      }
    }),
  );
}

/** A real text with a piece of it replaced by something else. */
function bent(seeds: readonly string[]): fc.Arbitrary<string> {
  return fc
    .record({
      seed: fc.constantFrom(...seeds),
      at: fc.nat(),
      lengthBytes: fc.nat({ max: 40 }),
      by: fc.string({ maxLength: 10 }),
    })
    .map(({ seed, at, lengthBytes, by }) => {
      const from = seed.length === 0 ? 0 : at % seed.length;
      return seed.slice(0, from) + by + seed.slice(from + lengthBytes);
    });
}
