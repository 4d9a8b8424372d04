// What mm.img says of the mappings of a task, before anything is made of it.
import type { MmEntry, VmaEntry } from "../../images/format/entries.js";
import { invalid } from "../../images/format/fault.js";
import { VmaStatus } from "../../images/format/numbers.js";
import { PAGE_SIZE, TASK_SIZE } from "../../kernel/abi/mman.js";
import type { Pid } from "../../kernel/brand.js";

const shown = ({ start, end }: VmaEntry) => `${start.toString(16)}-${end.toString(16)}`;
const is = ({ status }: VmaEntry, bits: number) => (status & bits) !== 0;

/** Throws StasisError IMAGE_INVALID: no address space has such mappings. */
export function checkMappings(pid: Pid, { vmas }: MmEntry): void {
  const place = { file: `mm-${pid}.img` };
  let before: VmaEntry | undefined;
  for (const vma of vmas) {
    if (vma.start % PAGE_SIZE !== 0n || vma.end % PAGE_SIZE !== 0n)
      throw invalid(place, `its mapping ${shown(vma)} does not consist of pages`);
    if (vma.start >= vma.end) throw invalid(place, `its mapping ${shown(vma)} ends before it begins`);
    if (is(vma, VmaStatus.AREA_VSYSCALL)) continue;
    if (vma.end > TASK_SIZE) throw invalid(place, `its mapping ${shown(vma)} is above all that a program may use`);
    // These lie in others.
    if (is(vma, VmaStatus.AREA_GUARD)) continue;
    if (before !== undefined && vma.start < before.end)
      throw invalid(place, `its mapping ${shown(vma)} comes after ${shown(before)}`);
    before = vma;
  }
}
