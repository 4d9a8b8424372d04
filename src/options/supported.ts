// The options that do something. Alphabetical.
import { CriuCgMode, CriuNetworkLockMethod, CriuPreDumpMode } from "../protocol/gen/rpc_pb.js";
import { choice, flag, integer, list, sizeBytes, text } from "./kinds.js";
import { BadText, type Operation, sent } from "./option.js";

const dump: readonly Operation[] = ["dump"];
const restore: readonly Operation[] = ["restore"];
const dumpAndRestore: readonly Operation[] = ["dump", "restore"];
const check: readonly Operation[] = ["check"];
const service: readonly Operation[] = ["service"];
const all: readonly Operation[] = ["dump", "restore", "check", "service"];

const FD = { least: 0 };
const DEFAULT_TIMEOUT_SECONDS = 10;
const DEFAULT_GHOST_LIMIT_BYTES = 1 << 20;

export interface InheritedFd {
  readonly key: string;
  /** A number in our own table. */
  readonly fd: number;
}

function inheritedFd(given: string): InheritedFd {
  const [, fd, key] = /^fd\[(\d+)\]:(.+)$/.exec(given) ?? [];
  if (fd !== undefined && key !== undefined) return { fd: Number(fd), key };
  throw new BadText(`${JSON.stringify(given)} does not have the form fd[NUMBER]:KEY`);
}

/** "" (a bare -v) is one more than errors; "v", "vv" count on; a number is the level; anything else is 0, as CRIU reads it. */
function verbosity(given: string): number {
  if (/^v*$/.test(given)) return given.length + 1;
  return Number.parseInt(given, 10) || 0;
}

export const supported = {
  actionScripts: list({ cli: "action-script", applies: dumpAndRestore, summary: "run this file at every step that has a name; may be repeated" }, { item: String }),
  address: text({ cli: "address", applies: service, summary: "the path of the socket" }),
  allFeatures: flag({ cli: "all", applies: check, summary: "check everything" }),
  detached: flag({ cli: "restore-detached", short: "d", applies: restore, summary: "restore: do not wait for the restored processes to end; service: go to the background" }),
  experimental: flag({ cli: "experimental", applies: check, summary: "check experimental features as well" }),
  extra: flag({ cli: "extra", applies: check, summary: "check optional features as well" }),
  feature: text({ cli: "feature", applies: check, summary: "check one feature only" }),
  ghostLimitBytes: sizeBytes({ cli: "ghost-limit", rpc: "ghostLimit", applies: dump, default: DEFAULT_GHOST_LIMIT_BYTES, summary: "the largest deleted file that is put into the images" }),
  imagesDir: text({ cli: "images-dir", short: "D", rpc: "imagesDir", applies: all, summary: "the directory of the images" }),
  imagesDirFd: integer({ rpc: "imagesDirFd", applies: all, default: -1, range: FD, summary: "the directory of the images, as a descriptor of the client" }),
  inheritedFds: list({ cli: "inherit-fd", rpc: "inheritFd", applies: restore, summary: "fd[N]:KEY: use our descriptor N for the file KEY; may be repeated" }, {
    item: inheritedFd,
    fromRpc: (opts) => sent(opts, "inheritFd")?.map(({ key, fd }) => ({ key, fd })),
  }),
  leaveRunning: flag({ cli: "leave-running", short: "R", rpc: "leaveRunning", applies: dump, summary: "let the processes run on after the dump" }),
  leaveStopped: flag({ cli: "leave-stopped", short: "s", rpc: "leaveStopped", applies: dumpAndRestore, summary: "leave the processes stopped" }),
  logFile: text({ cli: "log-file", short: "o", rpc: "logFile", applies: all, summary: "the name of the log, in the work directory" }),
  logLevel: { ...integer({ cli: "verbosity", short: "v", rpc: "logLevel", applies: all, default: 2, range: FD, summary: "0 nothing, 1 errors, 2 warnings, 3 what happens, 4 everything" }), argument: "optional" as const, fromText: verbosity },
  logToStderr: flag({ rpc: "logToStderr", applies: all, summary: "write the log to stderr" }),
  manageCgroups: flag({ rpc: "manageCgroups", applies: dumpAndRestore, summary: "as manage_cgroups_mode DEFAULT or IGNORE" }),
  manageCgroupsMode: choice({ cli: "manage-cgroups", rpc: "manageCgroupsMode", applies: dumpAndRestore, summary: "what to do with cgroups: ignore or soft" }, {
    values: { ignore: CriuCgMode.IGNORE, none: CriuCgMode.CG_NONE, props: CriuCgMode.PROPS, soft: CriuCgMode.SOFT, full: CriuCgMode.FULL, strict: CriuCgMode.STRICT, default: CriuCgMode.DEFAULT },
    bare: "default",
    default: CriuCgMode.DEFAULT,
    supported: [CriuCgMode.IGNORE, CriuCgMode.SOFT, CriuCgMode.DEFAULT],
    otherwise: { reason: "this mode needs cgroups in the images, which are not supported yet", remedy: "use ignore or soft" },
  }),
  networkLock: choice({ cli: "network-lock", rpc: "networkLock", applies: dump, summary: "how the network is held still; nothing needs it yet" }, {
    values: { iptables: CriuNetworkLockMethod.IPTABLES, nftables: CriuNetworkLockMethod.NFTABLES, skip: CriuNetworkLockMethod.SKIP, none: CriuNetworkLockMethod.SKIP },
    default: CriuNetworkLockMethod.IPTABLES,
    supported: [CriuNetworkLockMethod.IPTABLES, CriuNetworkLockMethod.SKIP],
    otherwise: { reason: "locking the network with nftables is not supported yet", remedy: "leave it out: only established TCP connections need it" },
  }),
  noDefaultConfig: flag({ cli: "no-default-config", applies: all, summary: "read no default configuration file (none is ever read)" }),
  notifyScripts: flag({ rpc: "notifyScripts", applies: dumpAndRestore, summary: "notify the client at every step that has a name" }),
  pid: integer({ cli: "tree", short: "t", rpc: "pid", applies: dump, default: undefined, range: { least: 1 }, summary: "the root of the process tree" }),
  pidfile: text({ cli: "pidfile", applies: ["restore", "service"], summary: "write the pid of the restored root, or of the service, to this new file" }),
  preDumpMode: choice({ cli: "pre-dump-mode", rpc: "preDumpMode", applies: dump, summary: "how a pre-dump reads memory: splice or read" }, {
    values: { splice: CriuPreDumpMode.SPLICE, read: CriuPreDumpMode.VM_READ },
    default: CriuPreDumpMode.SPLICE,
    supported: [CriuPreDumpMode.SPLICE, CriuPreDumpMode.VM_READ],
    otherwise: { reason: "it is not supported yet", remedy: "leave it out" },
  }),
  restoreSibling: flag({ cli: "restore-sibling", short: "S", rpc: "rstSibling", applies: restore, summary: "make the restored root a child of our own parent" }),
  shellJob: flag({ cli: "shell-job", short: "j", rpc: "shellJob", applies: dumpAndRestore, summary: "the root may be part of a session from outside of the tree" }),
  socketMode: text({ cli: "socket-mode", applies: service, summary: "the mode of the socket, in octal (default 0666; who may ask for what is checked for each request)" }),
  statusFd: integer({ cli: "status-fd", rpc: "statusFd", applies: ["dump", "restore", "service"], default: undefined, range: FD, summary: "write a zero byte to this descriptor when the service is ready" }),
  timeoutSeconds: integer({ cli: "timeout", rpc: "timeout", applies: dump, default: DEFAULT_TIMEOUT_SECONDS, range: { least: 0 }, summary: "how many seconds freezing may take; 0: any" }),
  workDir: text({ cli: "work-dir", short: "W", applies: all, summary: "the directory of logs, statistics and pid files" }),
  workDirFd: integer({ rpc: "workDirFd", applies: all, default: undefined, range: FD, summary: "that directory, as a descriptor of the client" }),
  workers: integer({ cli: "workers", applies: service, default: 2, range: { least: 1, most: 64 }, summary: "how many processes wait for the next connection" }),
} as const;
