// A thread stopped inside a restartable sequence: rseq(2), kernel/rseq.c. We move it away and back, which the kernel would notice only
// half: so it is sent to the abort handler, as the kernel does with a thread that was preempted there.
import { ptrace_rseq_configuration } from "../kernel/abi/ptrace.js";
import { asAddress } from "../kernel/brand.js";
import { struct, u32, u64 } from "../kernel/declare/struct.js";
import type { TargetMemory } from "./memory.js";
import type { Registers, Tracee } from "./tracee.js";

/** include/uapi/linux/rseq.h; the area's pointer to it is 8 bytes in. */
const rseq_cs = struct("rseq_cs", 32, {
  version: [0, u32],
  flags: [4, u32],
  start_ip: [8, u64],
  post_commit_offset: [16, u64],
  abort_ip: [24, u64],
});
const RSEQ_CS_POINTER = 8n;

/** The registers with which the thread may go on after it was elsewhere. */
export function leaveCriticalSection(tracee: Tracee, memory: TargetMemory): Registers {
  const registers = tracee.registers();
  const bytes = new Uint8Array(ptrace_rseq_configuration.sizeBytes);
  tracee.tracer.sys.ptraceGetRseqConfiguration(tracee.tid, bytes.byteLength, bytes);
  const { rseq_abi_pointer: area } = ptrace_rseq_configuration.decode(bytes);
  if (area === 0n) return registers;
  const section = memory.readU64(asAddress(area + RSEQ_CS_POINTER));
  if (section === 0n) return registers;
  const { start_ip, post_commit_offset, abort_ip } = rseq_cs.decode(memory.read(asAddress(section), rseq_cs.sizeBytes));
  if (registers.ip - start_ip < 0n || registers.ip - start_ip >= post_commit_offset) return registers;
  memory.write(asAddress(area + RSEQ_CS_POINTER), new Uint8Array(8));
  return { ...registers, ip: abort_ip };
}
