// The vdso of 32-bit code, which a process that was not executed as such has to ask for: arch_prctl(2) ARCH_MAP_VDSO_32.
import type { MmEntry } from "../../images/format/entries.js";
import { ARCH_MAP_VDSO_32 } from "../../kernel/abi/prctl.js";
import { unless } from "../../kernel/errno.js";
import { readMaps } from "../../kernel/proc/maps.js";
import type { Inside } from "../../tracee/inside.js";
import { remote } from "../../tracee/program.js";
import type { Parked } from "../../tracee/seed.js";
import { isVdso, isVvar, otherVdso } from "./vdso.js";

/** In place of the parked one of 64-bit code: a process has one at a time. The kernel puts its data, [vvar], in front of it. */
export function restoreCompatVdso(
  inside: Inside,
  { vmas }: MmEntry,
  parked: readonly Parked[],
  old: Uint8Array | undefined,
): void {
  inside.run(parked.map(({ at, lengthBytes }) => remote.munmap(at, lengthBytes)));
  const vdso = vmas.find(isVdso);
  if (vdso === undefined) return;
  const start = vmas.find(isVvar)?.start ?? vdso.start;
  if (unless("EINVAL", () => inside.sys.arch_prctl(ARCH_MAP_VDSO_32, start)) === undefined)
    throw otherVdso("it does not map the vdso of 32-bit code (CONFIG_IA32_EMULATION, CONFIG_CHECKPOINT_RESTORE)");
  const made = readMaps(inside.tracee.pid).find(({ path }) => path === "[vdso]");
  if (made?.start !== vdso.start || made.end !== vdso.end)
    throw otherVdso("the vdso of 32-bit code has another size or place");
  const code = inside.memory.read(made.start, Number(made.end - made.start));
  if (old !== undefined && Buffer.compare(code, old) !== 0)
    throw otherVdso("the vdso of 32-bit code is another kernel's");
}
