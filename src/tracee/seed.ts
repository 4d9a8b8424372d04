// The first task of a restore: a process with nothing in it but our stub, from which the tree is grown by clone3(2).
//
// 1. A static ELF of one page is put into memory (kernel/program-file.ts) and started with posix_spawn(3); it waits for us, 10 s at most.
// 2. It is seized (with EXITKILL: no half-built tree survives us) and given an anonymous region for stub and scratch memory, at an
//    address that no task of the tree uses. The ELF must be unmapped before /proc/PID/exe can be set: kernel/fork.c,
//    replace_mm_exe_file().
// 3. vdso and vvar move into the region, everything else is unmapped, and every signal has its default action: what we ignore execve(2) hands on.
//    Children inherit exactly this.
import { MAP, MREMAP_FIXED, MREMAP_MAYMOVE, PROT } from "../kernel/abi/mman.js";
import { PTRACE_O } from "../kernel/abi/ptrace.js";
import { k_sigaction, SIGSET_BYTES, settable } from "../kernel/abi/signal.js";
import { type Address, asAddress, asPid, NO_TARGET_FD, NULL, type Pid } from "../kernel/brand.js";
import { posixSpawn } from "../kernel/call.js";
import { bytes, struct, u16, u32, u64 } from "../kernel/declare/struct.js";
import { errnoName, SyscallError } from "../kernel/errno.js";
import { type Mapping, readMaps } from "../kernel/proc/maps.js";
import { readStatus } from "../kernel/proc/status.js";
import { programFile } from "../kernel/program-file.js";
import { sys } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";
import { Inside } from "./inside.js";
import { TargetMemory } from "./memory.js";
import { remote } from "./program.js";
import { stubBytes, stubOffset } from "./stub.js";
import { TRACE_OPTIONS, Tracee } from "./tracee.js";
import { waitFor } from "./wait.js";

const PAGE = 4096n;
const SCRATCH_BYTES = 512 * 1024;
const PARKING_BYTES = 128 * 1024;
/** Length of the region: stub, scratch memory, a place for vdso and vvar, and the ELF that starts it all. */
export const REGION_BYTES = 4096 + SCRATCH_BYTES + PARKING_BYTES + 4096;
const SEED_OPTIONS =
  TRACE_OPTIONS |
  PTRACE_O.PTRACE_O_EXITKILL |
  PTRACE_O.PTRACE_O_TRACEFORK |
  PTRACE_O.PTRACE_O_TRACEVFORK |
  PTRACE_O.PTRACE_O_TRACECLONE;

/** Elf64_Ehdr with one Elf64_Phdr right behind: elf(5). */
const elf = struct("elf", 120, {
  ident: [0, bytes(16)],
  type: [16, u16],
  machine: [18, u16],
  version: [20, u32],
  entry: [24, u64],
  phoff: [32, u64],
  shoff: [40, u64],
  flags: [48, u32],
  ehsize: [52, u16],
  phentsize: [54, u16],
  phnum: [56, u16],
  shentsize: [58, u16],
  shnum: [60, u16],
  shstrndx: [62, u16],
  p_type: [64, u32],
  p_flags: [68, u32],
  p_offset: [72, u64],
  p_vaddr: [80, u64],
  p_paddr: [88, u64],
  p_filesz: [96, u64],
  p_memsz: [104, u64],
  p_align: [112, u64],
});

/** Where the kernel's own mappings lie in every task that comes from the seed. */
export interface Parked {
  readonly path: string;
  readonly at: Address;
  readonly lengthBytes: bigint;
}
export interface Seed {
  readonly inside: Inside;
  /** [vvar...] and [vdso], in ascending order, side by side as the kernel maps them. */
  readonly parked: readonly Parked[];
}

/** Starts a seed whose region begins at `base`; it dies with us. With `spawn` the caller says how it is started. */
export function startSeed(
  base: Address,
  spawn: (path: string) => number = (path) => posixSpawn(path, ["stasis-seed"]),
): Seed {
  const boot = base + BigInt(REGION_BYTES) - PAGE;
  const pid = spawnElf(seedElf(boot), spawn);
  seize(pid);
  sys.ptraceInterrupt(pid);
  const tracee = new Tracee(pid, pid, "stasis-seed", SEED_OPTIONS);
  const event = waitFor(pid);
  if (event.kind !== "stop") throw tracee.lost("start the seed", event);
  tracee.blockSignals();
  const memory = new TargetMemory(pid);
  const booted = new Inside(
    tracee,
    memory,
    { stub: asAddress(boot + ELF_BYTES), scratch: { at: asAddress(0n), sizeBytes: 0 }, home: 0n },
    tracee.registers(),
  );
  const inside = settle(booted, base);
  forgetActions(inside);
  return { inside, parked: clearAround(inside, base) };
}
const ELF_BYTES = BigInt(elf.sizeBytes);

function spawnElf(image: Uint8Array, spawn: (path: string) => number): Pid {
  using file = programFile("stasis-seed", image);
  const pid = spawn(`/proc/self/fd/${file.fd}`);
  if (pid > 0) return asPid(pid);
  throw new StasisError({
    code: "KERNEL_REFUSED",
    doing: "start",
    subject: { kind: "host", what: "a process to restore into" },
    reason: errnoName(-pid),
  });
}

/** Who follows our forks (strace -f) has it before us. */
function seize(pid: Pid): void {
  try {
    sys.ptraceSeize(pid, 0n, SEED_OPTIONS);
  } catch (cause) {
    const tracer = readStatus(pid)?.tracerPid ?? 0;
    if (!(cause instanceof SyscallError) || tracer === 0) throw cause;
    throw new StasisError({
      code: "KERNEL_REFUSED",
      doing: "start",
      subject: { kind: "host", what: "a process to restore into" },
      reason: `process ${tracer} traces it, and all that stasis starts`,
      remedy: "end the debugger, or have it not follow forks",
      cause,
    });
  }
}

/** One page, loaded at `boot`, executable, whose entry is the stub's wait for us. */
export function seedElf(boot: bigint): Uint8Array {
  const image = new Uint8Array(4096);
  image.set(
    elf.encode({
      ident: Uint8Array.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
      type: 2, // ET_EXEC
      machine: 62, // EM_X86_64
      version: 1,
      entry: boot + ELF_BYTES + stubOffset.awaitEngine,
      phoff: 64n,
      shoff: 0n,
      flags: 0,
      ehsize: 64,
      phentsize: 56,
      phnum: 1,
      shentsize: 0,
      shnum: 0,
      shstrndx: 0,
      p_type: 1, // PT_LOAD
      p_flags: 5, // PF_R|PF_X
      p_offset: 0n,
      p_vaddr: boot,
      p_paddr: boot,
      p_filesz: PAGE,
      p_memsz: PAGE,
      p_align: PAGE,
    }),
  );
  image.set(stubBytes, elf.sizeBytes);
  return image;
}

/** Makes the region and moves the seed's calls there. */
function settle(booted: Inside, base: Address): Inside {
  const { tracee, memory } = booted;
  const lengthBytes = BigInt(REGION_BYTES) - PAGE;
  const prot = PROT.PROT_READ | PROT.PROT_WRITE | PROT.PROT_EXEC;
  const flags = MAP.MAP_PRIVATE | MAP.MAP_ANONYMOUS | MAP.MAP_FIXED_NOREPLACE;
  booted.sys.mmap(base, lengthBytes, prot, flags, NO_TARGET_FD, 0n);
  memory.write(base, stubBytes);
  return new Inside(tracee, memory, regionGround(base), tracee.registers());
}

/** The region's parts, the same in every task of the tree. */
export function regionGround(base: Address) {
  return { stub: base, scratch: { at: asAddress(base + PAGE), sizeBytes: SCRATCH_BYTES }, home: 0n } as const;
}

function forgetActions(inside: Inside): void {
  using action = inside.holding(new Uint8Array(k_sigaction.sizeBytes));
  inside.run(settable.map((signal) => remote.rt_sigaction(signal, action.at, NULL, SIGSET_BYTES)));
}

function clearAround(inside: Inside, base: Address): Parked[] {
  const keep = (mapping: Mapping) => mapping.start === base || mapping.path === "[vsyscall]";
  const parked: Parked[] = [];
  let place = base + PAGE + BigInt(SCRATCH_BYTES);
  for (const mapping of readMaps(inside.tracee.pid)) {
    const { start, end, path } = mapping;
    if (keep(mapping)) continue;
    const lengthBytes = end - start;
    if (path !== "[vdso]" && !path.startsWith("[vvar")) {
      inside.sys.munmap(start, lengthBytes);
      continue;
    }
    const at = asAddress(place);
    // The kernel lets its special mappings move only as a whole: mm/mremap.c, vdso_mremap().
    inside.sys.mremap(start, lengthBytes, lengthBytes, MREMAP_MAYMOVE | MREMAP_FIXED, at);
    parked.push({ path, at, lengthBytes });
    place += lengthBytes;
  }
  return parked;
}
