// Which processors are switched on: Documentation/admin-guide/cputopology.rst.
import { readFileSync } from "node:fs";

/** Their numbers, ascending. */
export const onlineProcessors = () => listed("online");

/** Those for which the kernel has room: a value "for each processor" is one for each of these. */
export const possibleProcessors = () => listed("possible");

const listed = (name: string): readonly number[] =>
  parseCpuList(readFileSync(`/sys/devices/system/cpu/${name}`, "utf8"));

/** "0-3,8": Documentation/admin-guide/kernel-parameters.rst, "cpu lists". */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(",")
    .flatMap((range) => {
      const [first = Number.NaN, last = first] = range.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
}
