// CHECK: whether this machine, and we on it, can dump and restore. Each probe does the real thing on ourselves.
import { closeSync, openSync, readdirSync } from "node:fs";
import { KCMP } from "../kernel/abi/process.js";
import { asAddress, asFd, asPid } from "../kernel/brand.js";
import { SyscallError } from "../kernel/errno.js";
import { own } from "../kernel/own-fd.js";
import { CATEGORY, scanPages } from "../kernel/proc/pagemap.js";
import { readStatus } from "../kernel/proc/status.js";
import { sys } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";

interface Probe {
  readonly what: string;
  /** Throws when it is not there. */
  readonly test: () => void;
  readonly remedy: string;
}

const self = asPid(process.pid);
const CAP_SYS_PTRACE = 19n;
const CAP_SYS_ADMIN = 21n;
const CAP_CHECKPOINT_RESTORE = 40n;

const probes: readonly Probe[] = [
  { what: "an x86-64 machine", test: () => expect(process.arch === "x64"), remedy: "use one" },
  {
    what: "CAP_SYS_PTRACE",
    test: () => expectCapability(CAP_SYS_PTRACE),
    remedy: "run as root, or grant CAP_SYS_PTRACE",
  },
  {
    what: "CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE",
    test: () => expectCapability(CAP_SYS_ADMIN, CAP_CHECKPOINT_RESTORE),
    remedy: "run as root, or grant CAP_CHECKPOINT_RESTORE",
  },
  {
    what: "/proc/PID/map_files",
    test: () => void readdirSync("/proc/self/map_files"),
    remedy: "use a kernel with CONFIG_CHECKPOINT_RESTORE",
  },
  {
    what: "kcmp(2)",
    test: () => void sys.kcmp(self, self, KCMP.KCMP_VM, 0n, 0n),
    remedy: "use a kernel with CONFIG_KCMP",
  },
  {
    what: "pidfd_open(2)",
    test: () => own(sys.pidfd_open(self, 0))[Symbol.dispose](),
    remedy: "use kernel 5.6 or later",
  },
  { what: "ioctl(PAGEMAP_SCAN)", test: scanOurselves, remedy: "use kernel 6.7 or later" },
];

/** Throws StasisError that names the first thing which is missing. */
export function check(): void {
  for (const probe of probes) {
    try {
      probe.test();
    } catch (cause) {
      const reason =
        cause instanceof SyscallError
          ? `it does not have ${probe.what} (${cause.errno})`
          : `it does not have ${probe.what}`;
      throw new StasisError({
        code: "HOST_UNSUPPORTED",
        doing: "dump and restore on",
        subject: { kind: "host", what: "this machine" },
        reason,
        remedy: probe.remedy,
        cause,
      });
    }
  }
}

/** What criurpc's FEATURE_CHECK asks for. Tracking of changed memory and lazy pages are not supported yet. */
export function features(): { memTrack: boolean; lazyPages: boolean; pidfdStore: boolean } {
  return { memTrack: false, lazyPages: false, pidfdStore: false };
}

function expect(holds: boolean): void {
  if (!holds) throw new RangeError("a probe failed");
}

function expectCapability(...oneOf: readonly bigint[]): void {
  const held = readStatus(self)?.capEff ?? 0n;
  expect(oneOf.some((capability) => (held & (1n << capability)) !== 0n));
}

function scanOurselves(): void {
  const pagemap = openSync("/proc/self/pagemap", "r");
  try {
    for (const _ of scanPages(asFd(pagemap), asAddress(0n), asAddress(1n << 20n), { anyOf: CATEGORY.PRESENT })) break;
  } finally {
    closeSync(pagemap);
  }
}
