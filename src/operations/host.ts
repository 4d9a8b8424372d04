// What of this machine matters to a dump or restore: each thing with a probe that does the real thing on ourselves, what works without it and
// how to get it. CHECK fails by the first thing that is needed and missing; `stasis check` shows all of them.
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PR } from "../kernel/abi/prctl.js";
import { KCMP } from "../kernel/abi/process.js";
import { asAddress, asFd, asPid, type Fd } from "../kernel/brand.js";
import { runs32BitCode } from "../kernel/code-32.js";
import { SyscallError } from "../kernel/errno.js";
import { kernelIsAtLeast } from "../kernel/kernel-release.js";
import { memoryDirectory } from "../kernel/memory-directory.js";
import { blockConnections, openNetfilter } from "../kernel/netlink/nftables.js";
import { UnixDiag } from "../kernel/netlink/unix-diag.js";
import { own } from "../kernel/own-fd.js";
import { isInstalled } from "../kernel/path.js";
import { CATEGORY, scanPages, tellsGuardPages } from "../kernel/proc/pagemap.js";
import { readStatus } from "../kernel/proc/status.js";
import { listChildren } from "../kernel/proc/tasks.js";
import { sys } from "../kernel/syscalls.js";

export type Area = "machine" | "kernel" | "capability" | "sysctl" | "tool";

export interface HostThing {
  readonly area: Area;
  readonly name: string;
  /** Nothing works without it. */
  readonly needed: boolean;
  /** What works, or does not, where it is missing. */
  readonly without: string;
  readonly remedy: string;
  /** False, or an error: it is not there. */
  readonly probe: () => boolean;
}

const self = asPid(process.pid);
const NOTHING = "nothing can be dumped or restored";

const capabilities: Readonly<Record<string, { readonly number: bigint; readonly without: string }>> = {
  CAP_AUDIT_CONTROL: {
    number: 30n,
    without: "processes whose login uid is another than that of stasis cannot be restored",
  },
  CAP_CHOWN: { number: 0n, without: "deleted files and terminals come back with the owner of stasis, or are refused" },
  CAP_DAC_OVERRIDE: { number: 1n, without: "files that only their owner may open cannot be opened again" },
  CAP_DAC_READ_SEARCH: { number: 2n, without: "watched files (inotify, fanotify) cannot be found by their handles" },
  CAP_FOWNER: { number: 3n, without: "modes and times of deleted files of others cannot be put back" },
  CAP_IPC_LOCK: { number: 14n, without: "locked memory beyond RLIMIT_MEMLOCK cannot be locked again" },
  CAP_MKNOD: { number: 27n, without: "deleted device nodes cannot be made again" },
  CAP_NET_ADMIN: { number: 12n, without: "TCP connections cannot be dumped or restored; all else can" },
  CAP_NET_RAW: { number: 13n, without: "raw and packet sockets cannot be restored" },
  CAP_SETGID: { number: 6n, without: "processes with other groups than those of stasis cannot be restored" },
  CAP_SETPCAP: { number: 8n, without: "bounding sets of capabilities cannot be put back" },
  CAP_SETUID: { number: 7n, without: "processes of other users cannot be restored" },
  CAP_SYS_ADMIN: { number: 21n, without: "processes under seccomp can be neither dumped nor restored" },
  CAP_SYS_CHROOT: { number: 18n, without: "processes that have called chroot(2) cannot be restored" },
  CAP_SYS_NICE: { number: 23n, without: "priorities above the normal one and real-time policies cannot be put back" },
  CAP_SYS_RESOURCE: { number: 24n, without: "limits above those of stasis and large pipes cannot be put back" },
  CAP_SYS_TTY_CONFIG: { number: 26n, without: "terminals that were hung up cannot be restored" },
};

export const hostThings: readonly HostThing[] = [
  needed("machine", "x86-64", "use a machine with such a processor", () => process.arch === "x64"),
  needed("capability", "CAP_SYS_PTRACE", "run as root, or grant CAP_SYS_PTRACE", () => holds(19n)),
  needed("capability", "CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE", "run as root, or grant CAP_CHECKPOINT_RESTORE", () =>
    holds(21n, 40n),
  ),
  needed("kernel", "/proc/PID/map_files", "use a kernel with CONFIG_CHECKPOINT_RESTORE", () =>
    works(() => readdirSync("/proc/self/map_files")),
  ),
  needed("kernel", "/proc/PID/task/TID/children", "use a kernel with CONFIG_PROC_CHILDREN", () =>
    works(() => listChildren(self)),
  ),
  needed("kernel", "kcmp(2)", "use a kernel with CONFIG_KCMP", () =>
    works(() => sys.kcmp(self, self, KCMP.KCMP_VM, 0n, 0n)),
  ),
  needed("kernel", "pidfd_open(2)", "use kernel 5.6 or later", () =>
    works(() => own(sys.pidfd_open(self, 0))[Symbol.dispose]()),
  ),
  needed("kernel", "ioctl(PAGEMAP_SCAN)", "use kernel 6.7 or later", () => withPagemap(scanBeginning)),
  optional("kernel", "guard pages in PAGEMAP_SCAN", {
    without: "programs that use MADV_GUARD_INSTALL cannot be dumped",
    remedy: "use kernel 6.15 or later",
    probe: () => withPagemap(tellsGuardPages),
  }),
  optional("kernel", "ids of POSIX timers (PR_TIMER_CREATE_RESTORE_IDS)", {
    without: "a timer with a high id is restored by making and deleting all those before it",
    remedy: "use kernel 6.15 or later",
    probe: () => works(() => sys.prctl(PR.PR_TIMER_CREATE_RESTORE_IDS, 0n, 0n, 0n, 0n)),
  }),
  optional("kernel", "files of overlayfs in map_files", {
    without: "mappings of files on overlayfs may be taken for changed ones",
    remedy: "use kernel 6.8 or later",
    probe: () => kernelIsAtLeast(6, 8),
  }),
  optional("kernel", "32-bit code", {
    without: "programs of 32-bit code cannot be restored",
    remedy: "use a kernel with CONFIG_IA32_EMULATION and without ia32_emulation=0, not in a guest of PVM",
    probe: runs32BitCode,
  }),
  optional("kernel", "seccomp filters", {
    without: "programs under seccomp cannot be dumped",
    remedy: "use a kernel with CONFIG_SECCOMP_FILTER",
    probe: () => existsSync("/proc/sys/kernel/seccomp/actions_avail"),
  }),
  optional("kernel", "sock_diag(7) of unix sockets", {
    without: "unix sockets cannot be dumped",
    remedy: "use a kernel with CONFIG_UNIX_DIAG, or load the module unix_diag",
    probe: () =>
      works(() => {
        using diag = new UnixDiag();
        diag.state(1);
      }),
  }),
  optional("kernel", "nf_tables", {
    without: "TCP connections need --network-lock iptables or skip, or --tcp-close",
    remedy: "use a kernel with CONFIG_NF_TABLES and CAP_NET_ADMIN in its network namespace",
    probe: () => works(holdNetwork),
  }),
  optional("kernel", "fsopen(2) of tmpfs", {
    without: "workers of the service begin cold, and stasis explain does not work",
    remedy: "use kernel 5.2 or later, and CAP_SYS_ADMIN",
    probe: () => works(() => memoryDirectory()[Symbol.dispose]()),
  }),
  ...Object.entries(capabilities).map(([name, { number, without }]) =>
    optional("capability", name, { without, remedy: `run as root, or grant ${name}`, probe: () => holds(number) }),
  ),
  optional("sysctl", "kernel.yama.ptrace_scope below 3", {
    without: NOTHING,
    remedy: "set kernel.yama.ptrace_scope to 2 or less in /etc/sysctl.d and boot again: 3 cannot be taken back",
    probe: () => (sysctl("kernel/yama/ptrace_scope") ?? 0) < 3,
  }),
  optional("sysctl", "kernel.pid_max of 4194304", {
    without: "a tree with a pid above it, from another machine, cannot be restored",
    remedy: "sysctl kernel.pid_max=4194304",
    probe: () => (sysctl("kernel/pid_max") ?? 0) >= 4_194_304,
  }),
  optional("sysctl", "vm.overcommit_memory other than 2", {
    without: "a tree whose memory is reserved and not used may not fit any more",
    remedy: "sysctl vm.overcommit_memory=0",
    probe: () => sysctl("vm/overcommit_memory") !== 2,
  }),
  optional("sysctl", "dev.tty.legacy_tiocsti of 1, or CAP_SYS_ADMIN", {
    without: "terminals with input that was not read yet cannot be dumped",
    remedy: "sysctl dev.tty.legacy_tiocsti=1, or run as root",
    probe: () => (sysctl("dev/tty/legacy_tiocsti") ?? 1) === 1 || holds(21n),
  }),
  ...["iptables", "ip6tables"].map((name) =>
    optional("tool", name, {
      without: "--network-lock iptables does not work; nftables, the default, needs no program",
      remedy: "install the package iptables",
      probe: () => isInstalled(name),
    }),
  ),
];

function needed(area: Area, name: string, remedy: string, probe: () => boolean): HostThing {
  return { area, name, needed: true, without: NOTHING, remedy, probe };
}

function optional(area: Area, name: string, about: Pick<HostThing, "without" | "remedy" | "probe">): HostThing {
  return { area, name, needed: false, ...about };
}

/** It does not fail; what else it says counts for nothing. */
function works(call: () => unknown): boolean {
  call();
  return true;
}

function holds(...oneOf: readonly bigint[]): boolean {
  const held = readStatus(self)?.capEff ?? 0n;
  return oneOf.some((capability) => (held & (1n << capability)) !== 0n);
}

function withPagemap(look: (pagemap: Fd) => boolean): boolean {
  const pagemap = openSync("/proc/self/pagemap", "r");
  try {
    return look(asFd(pagemap));
  } finally {
    closeSync(pagemap);
  }
}

function scanBeginning(pagemap: Fd): boolean {
  for (const _ of scanPages(pagemap, asAddress(0n), asAddress(1n << 20n), { anyOf: CATEGORY.PRESENT })) break;
  return true;
}

/** As a dump holds the network closed: by a table that belongs to a socket (Linux 5.12). */
function holdNetwork(): void {
  using netlink = openNetfilter();
  blockConnections(netlink, "stasis-check", [], { owned: true });
}

/** Undefined: this kernel does not have it. */
function sysctl(path: string): number | undefined {
  const file = join("/proc/sys", path);
  return existsSync(file) ? Number(readFileSync(file, "utf8")) : undefined;
}

export interface Finding extends Omit<HostThing, "probe"> {
  readonly found: boolean;
  /** What the kernel said. */
  readonly cause?: unknown;
}

export function look({ probe, ...about }: HostThing): Finding {
  try {
    return { ...about, found: probe() };
  } catch (cause) {
    if (!(cause instanceof SyscallError || (cause instanceof Error && "code" in cause))) throw cause;
    return { ...about, found: false, cause };
  }
}
