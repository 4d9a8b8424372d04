// The options that do something, alphabetical; those of the service alone: service-options.ts.
import { CriuCgMode, CriuNetworkLockMethod, type CriuOpts, CriuPreDumpMode } from "../protocol/gen/rpc_pb.js";
import { readTag39 } from "../protocol/tag-39.js";
import { externalKeys, externalUnixInodes, externalUnixSockets } from "./external.js";
import { choice, flag, integer, list, sizeBytes, text, verbosity } from "./kinds.js";
import { BadText, sent } from "./option.js";
import { processorModes } from "./processor-modes.js";
import { serviceOptions } from "./service-options.js";

const dump = ["dump"] as const;
const restore = ["restore"] as const;
const both = ["dump", "restore"] as const;
const check = ["check"] as const;
const all = ["dump", "restore", "check", "cpuinfo", "service"] as const;

const { IGNORE, CG_NONE, PROPS, SOFT, FULL, STRICT, DEFAULT } = CriuCgMode;
const { IPTABLES, NFTABLES, SKIP } = CriuNetworkLockMethod;
const { SPLICE, VM_READ } = CriuPreDumpMode;
const DEFAULT_LOG_LEVEL = 2;
const DEFAULT_TIMEOUT_SECONDS = 10;
const DEFAULT_GHOST_LIMIT_BYTES = 1 << 20;
const noDescriptor = { default: undefined, least: 0 } as const;

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

/** Of file_validation, which criurpc does not have. */
const FILE_SIZE = 1;
export const BUILD_ID = 2;

export const supported = {
  ...serviceOptions,
  actionScripts: list(
    {
      cli: "action-script",
      placeholder: "FILE",
      applies: [...both, "service"],
      summary: "run this file at every step that has a name; may be repeated",
    },
    { item: String },
  ),
  allFeatures: flag({ cli: "all", applies: check, summary: "check everything" }),
  configFile: text({
    cli: "config",
    placeholder: "FILE",
    rpc: "configFile",
    applies: all,
    summary: "read options from this file; of an RPC request, over everything else",
  }),
  cpuCap: processorModes({
    cli: "cpu-cap",
    rpc: "cpuCap",
    applies: ["dump", "restore", "cpuinfo"],
    summary: "compare processors: fpu, ins, cpu, all, none, ^ for not (alone: all); a dump writes cpuinfo.img for it",
  }),
  detached: flag({
    cli: "restore-detached",
    short: "d",
    applies: ["restore", "service"],
    summary: "restore: do not wait until the restored processes end; service (--daemon): go to the background",
  }),
  execCmd: list(
    { rpc: "execCmd", applies: restore, summary: "the program to become after the restore, and its arguments" },
    { item: String, fromRpc: (opts) => sent(opts, "execCmd") },
  ),
  execOperands: flag({
    cli: "exec-cmd",
    applies: restore,
    summary: "become the program behind -- after the restore, as the parent of the restored root",
  }),
  evasiveDevices: flag({
    cli: "evasive-devices",
    rpc: "evasiveDevices",
    applies: dump,
    summary: "a device whose path leads to another inode of the same device is opened by that path",
  }),
  experimental: flag({ cli: "experimental", applies: check, summary: "check experimental features as well" }),
  extUnixSk: externalUnixSockets,
  external: externalKeys,
  extra: flag({ cli: "extra", applies: check, summary: "check optional features as well" }),
  feature: text({ cli: "feature", placeholder: "NAME", applies: check, summary: "check one feature only" }),
  fileLocks: flag({
    cli: "file-locks",
    short: "l",
    rpc: "fileLocks",
    applies: both,
    summary: "dump file locks and leases too; a restore takes those in the images again in any case",
  }),
  fileValidation: choice(
    {
      cli: "file-validation",
      applies: both,
      summary: "how a changed file is told: by its size (filesize), or by its build id as well (buildid, default)",
    },
    {
      values: { filesize: FILE_SIZE, buildid: BUILD_ID },
      default: BUILD_ID,
      supported: [FILE_SIZE, BUILD_ID],
      otherwise: { reason: "it is not known", remedy: "use filesize or buildid" },
    },
  ),
  forceIrmap: flag({
    cli: "force-irmap",
    rpc: "forceIrmap",
    applies: dump,
    summary: "find the paths of files watched by inotify and fanotify by a search where their handles do not tell",
  }),
  ghostFiemap: flag({
    cli: "ghost-fiemap",
    applies: dump,
    summary: "leave the holes of deleted files out; always done, by SEEK_DATA, which every file system has",
  }),
  ghostLimitBytes: sizeBytes(
    { cli: "ghost-limit", rpc: "ghostLimit", applies: dump, summary: "the largest deleted file that is dumped" },
    DEFAULT_GHOST_LIMIT_BYTES,
  ),
  imagesDir: text({
    cli: "images-dir",
    placeholder: "DIRECTORY",
    short: "D",
    rpc: "imagesDir",
    applies: all,
    summary: "the images (default .)",
  }),
  imagesDirFd: integer(
    { rpc: "imagesDirFd", applies: all, summary: "the directory of the images, open in the client" },
    { default: -1, least: 0 },
  ),
  inheritedFds: list(
    {
      cli: "inherit-fd",
      placeholder: "fd[N]:KEY",
      rpc: "inheritFd",
      applies: restore,
      summary: "fd[N]:KEY: use our descriptor N for the file KEY; may be repeated",
    },
    { item: inheritedFd, fromRpc: (opts) => sent(opts, "inheritFd")?.map(({ key, fd }) => ({ key, fd })) },
  ),
  irmapScanPaths: list(
    {
      cli: "irmap-scan-path",
      placeholder: "DIRECTORY",
      rpc: "irmapScanPaths",
      applies: dump,
      summary: "a directory to search for watched files, before those that are usual; may be repeated",
    },
    { item: String, fromRpc: (opts) => sent(opts, "irmapScanPaths") },
  ),
  json: flag({ cli: "json", applies: ["check", "explain"], summary: "answer in JSON, for programs" }),
  leaveRunning: flag(
    {
      cli: "leave-running",
      short: "R",
      rpc: "leaveRunning",
      applies: dump,
      summary: "let the processes run on after the dump",
    },
    { onlyOn: true },
  ),
  leaveStopped: flag(
    {
      cli: "leave-stopped",
      short: "s",
      rpc: "leaveStopped",
      applies: both,
      summary: "leave the processes stopped",
    },
    { onlyOn: true },
  ),
  linkRemap: flag({
    cli: "link-remap",
    rpc: "linkRemap",
    applies: both,
    summary: "dump files that lost the name by which they were opened and have others, by links next to it",
  }),
  logFile: text({
    cli: "log-file",
    placeholder: "FILE",
    short: "o",
    rpc: "logFile",
    applies: all,
    summary: "the log (default: stderr)",
  }),
  logLevel: verbosity(
    {
      cli: "verbosity",
      short: "v",
      rpc: "logLevel",
      applies: all,
      summary: "0 nothing, 1 errors, 2 warnings (default), 3 what happens, 4 everything",
    },
    DEFAULT_LOG_LEVEL,
  ),
  logToStderr: flag({ rpc: "logToStderr", applies: all, summary: "write the log to stderr" }, { onlyOn: true }),
  manageCgroups: flag({ rpc: "manageCgroups", applies: both, summary: "older: manage_cgroups_mode SOFT or IGNORE" }),
  manageCgroupsMode: choice(
    {
      cli: "manage-cgroups",
      rpc: "manageCgroupsMode",
      applies: both,
      summary: "what to do with cgroups, ignore or soft; restored processes are in the cgroup of stasis either way",
    },
    {
      values: { ignore: IGNORE, none: CG_NONE, props: PROPS, soft: SOFT, full: FULL, strict: STRICT, default: DEFAULT },
      bare: "default",
      default: DEFAULT,
      supported: [IGNORE, SOFT, DEFAULT],
      orFromRpc(opts) {
        const managed = sent(opts, "manageCgroups");
        return managed === undefined ? undefined : managed ? SOFT : IGNORE;
      },
      otherwise: {
        reason: "this mode needs cgroups in the images, which are not supported yet",
        remedy: "use ignore or soft",
      },
    },
  ),
  networkLock: choice(
    {
      cli: "network-lock",
      rpc: "networkLock",
      applies: dump,
      summary: "what stops the network of TCP connections from the dump to the restore (default nftables)",
    },
    {
      values: { iptables: IPTABLES, nftables: NFTABLES, skip: SKIP, none: SKIP },
      default: NFTABLES,
      supported: [IPTABLES, NFTABLES, SKIP],
      otherwise: { reason: "it is not supported", remedy: "leave it out" },
    },
  ),
  noDefaultConfig: flag({
    cli: "no-default-config",
    applies: all,
    summary: "read neither /etc/criu/default.conf nor ~/.criu/default.conf",
  }),
  noSeccomp: {
    ...flag({ cli: "no-seccomp", applies: dump, summary: "leave out strict mode and filters of seccomp" }),
    fromRpc: (opts: CriuOpts) => readTag39(opts).noSeccomp,
  },
  notifyScripts: flag(
    { rpc: "notifyScripts", applies: both, summary: "notify the client at every step with a name" },
    { onlyOn: true },
  ),
  orphanPtsMaster: flag(
    {
      cli: "orphan-pts-master",
      rpc: "orphanPtsMaster",
      applies: both,
      summary: "a terminal whose master is outside of the tree gets a new one, which an RPC client is given",
    },
    { onlyOn: true },
  ),
  pid: integer(
    { cli: "tree", placeholder: "PID", short: "t", rpc: "pid", applies: dump, summary: "the root of the process tree" },
    { default: undefined, least: 1 },
  ),
  pidfile: text({
    cli: "pidfile",
    placeholder: "FILE",
    applies: ["restore", "service"],
    summary: "write the pid of the restored root, or of the service, to this new file",
  }),
  preDumpMode: choice(
    { cli: "pre-dump-mode", rpc: "preDumpMode", applies: dump, summary: "how a pre-dump reads memory: splice or read" },
    {
      values: { splice: SPLICE, read: VM_READ },
      default: SPLICE,
      supported: [SPLICE, VM_READ],
      otherwise: { reason: "it is not supported yet", remedy: "leave it out" },
    },
  ),
  progressFd: integer(
    {
      cli: "progress-fd",
      placeholder: "FD",
      rpc: "progressFd",
      applies: both,
      summary: "write how far it is to this descriptor, a line of JSON each time; stasis alone has this",
    },
    noDescriptor,
  ),
  restoreSibling: flag({
    cli: "restore-sibling",
    short: "S",
    rpc: "rstSibling",
    applies: restore,
    summary: "make the restored root a child of our own parent",
  }),
  shellJob: flag({
    cli: "shell-job",
    short: "j",
    rpc: "shellJob",
    applies: both,
    summary: "the root may belong to a session from outside of the tree",
  }),
  skipInFlight: flag({
    cli: "skip-in-flight",
    rpc: "tcpSkipInFlight",
    applies: dump,
    summary: "drop TCP connections that were not accepted yet",
  }),
  statusFd: integer(
    {
      cli: "status-fd",
      placeholder: "FD",
      rpc: "statusFd",
      applies: ["dump", "restore", "service"],
      summary: "write a zero byte to this descriptor when the service is ready",
    },
    noDescriptor,
  ),
  tcpClose: flag({
    cli: "tcp-close",
    rpc: "tcpClose",
    applies: both,
    summary: "TCP connections come back closed; needed on the restore as well",
  }),
  tcpEstablished: flag({
    cli: "tcp-established",
    rpc: "tcpEstablished",
    applies: both,
    summary: "carry over TCP connections; needed on the restore as well",
  }),
  timeoutSeconds: integer(
    {
      cli: "timeout",
      placeholder: "SECONDS",
      rpc: "timeout",
      applies: dump,
      summary: "how many seconds freezing may take; 0: any",
    },
    { default: DEFAULT_TIMEOUT_SECONDS, least: 0 },
  ),
  unixSkIno: externalUnixInodes,
  workDir: text({
    cli: "work-dir",
    placeholder: "DIRECTORY",
    short: "W",
    applies: all,
    summary: "logs, statistics (default: the images)",
  }),
  workDirFd: integer({ rpc: "workDirFd", applies: all, summary: "that directory, open in the client" }, noDescriptor),
} as const;
