// Flag sets that print themselves: unknown bits are shown, never lost.
import { type Arg, argument } from "./syscall.js";

/** "O_RDWR|O_APPEND|0x40": the names of the set bits, then what is left in hex. */
export function showFlags(names: Readonly<Record<string, number>>, value: number): string {
  const words: string[] = [];
  let rest = value >>> 0;
  for (const [word, bit] of Object.entries(names)) {
    if (bit !== 0 && (value & bit) === bit) {
      words.push(word);
      rest &= ~bit;
    }
  }
  if (rest !== 0 || words.length === 0) words.push(`0x${(rest >>> 0).toString(16)}`);
  return words.join("|");
}

/** Declares a flag set: its constants, and an argument type that shows them by name. */
export function flags<const T extends Readonly<Record<string, number>>>(names: T): T & Arg<number, number> {
  const type = argument<number, number>({
    show: (value) => showFlags(names, Number(value)),
    here: (value) => value,
    there: (value) => value,
  });
  return { ...names, ...type };
}
