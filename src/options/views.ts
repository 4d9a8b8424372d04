// What the engine sees of the options: the few that an operation needs, in its own terms.
import { asFd, type Fd } from "../kernel/brand.js";
import { CriuCgMode, CriuNetworkLockMethod } from "../protocol/gen/rpc_pb.js";
import { unixInodesIn } from "./external.js";
import type { Options } from "./index.js";
import { BUILD_ID } from "./supported.js";

/** CPU_CAP_IMAGE: somebody asked for the comparison. */
const CPU_IMAGE = 8;

export interface DumpOptions {
  readonly pid: number;
  readonly finalState: "kill" | "run" | "stop";
  readonly shellJob: boolean;
  /** A slave whose master is outside of the tree may be dumped: it gets a new one. */
  readonly orphanPtsMaster: boolean;
  /** Largest deleted file that is put into the images. */
  readonly ghostLimitBytes: number;
  /** Seccomp state is left out of the images. */
  readonly noSeccomp: boolean;
  /** Programs and libraries are told by their build ids. */
  readonly buildIds: boolean;
  readonly fileLocks: boolean;
  /** Files that lost a name while they have others get one for the images. */
  readonly linkRemap: boolean;
  readonly evasiveDevices: boolean;
  /** Objects that stay outside of the images: "file[1a:2b]". */
  readonly external: readonly string[];
  /** Unix sockets whose peer may be outside of the tree: datagram sockets in general, and any by its inode. */
  readonly externalUnix: { readonly datagrams: boolean; readonly inodes: ReadonlySet<number> };
  /** Paths of watched files are searched for where their handles do not tell them. */
  readonly forceIrmap: boolean;
  readonly irmapScanPaths: readonly string[];
  /** What becomes of a tree in another control group: forgotten, or refused. */
  readonly cgroups: "ignore" | "refuse";
  /** cpuinfo.img is written. */
  readonly describeProcessor: boolean;
  /** For freezing; 0: as long as it takes. */
  readonly timeoutSeconds: number;
  /** Connections that were not accepted yet are dropped. */
  readonly skipInFlight: boolean;
  /** TCP connections are not saved: they come back closed. */
  readonly tcpClose: boolean;
  readonly tcpEstablished: boolean;
  /** What holds the network closed to TCP connections. */
  readonly networkLock: "iptables" | "nftables" | "skip";
}

/** Where both are asked for, stopping wins over running. */
export function dumpOptions(options: Options, pid: number): DumpOptions {
  const {
    leaveStopped,
    leaveRunning,
    shellJob,
    orphanPtsMaster,
    ghostLimitBytes,
    timeoutSeconds,
    manageCgroupsMode,
    noSeccomp,
    evasiveDevices,
    external,
    fileLocks,
    linkRemap,
    forceIrmap,
    irmapScanPaths,
  } = options;
  const { skipInFlight, tcpClose, tcpEstablished, extUnixSk, unixSkIno } = options;
  return {
    pid,
    finalState: leaveStopped ? "stop" : leaveRunning ? "run" : "kill",
    shellJob,
    orphanPtsMaster,
    evasiveDevices,
    external,
    externalUnix: {
      datagrams: extUnixSk !== undefined,
      inodes: new Set([...(extUnixSk ?? []), ...unixSkIno, ...unixInodesIn(external)]),
    },
    fileLocks,
    linkRemap,
    forceIrmap,
    irmapScanPaths,
    ghostLimitBytes,
    noSeccomp,
    buildIds: options.fileValidation === BUILD_ID,
    cgroups: manageCgroupsMode === CriuCgMode.IGNORE ? "ignore" : "refuse",
    describeProcessor: (options.cpuCap & CPU_IMAGE) !== 0,
    timeoutSeconds,
    skipInFlight,
    tcpClose,
    tcpEstablished,
    networkLock: lockOf(options.networkLock),
  };
}

/** What a client adds while the tree is frozen: keys of --external. */
export function withExternal(options: DumpOptions, keys: readonly string[]): DumpOptions {
  const { external, externalUnix } = options;
  const inodes = new Set([...externalUnix.inodes, ...unixInodesIn(keys)]);
  return { ...options, external: [...external, ...keys], externalUnix: { ...externalUnix, inodes } };
}

function lockOf(method: CriuNetworkLockMethod): DumpOptions["networkLock"] {
  if (method === CriuNetworkLockMethod.IPTABLES) return "iptables";
  return method === CriuNetworkLockMethod.SKIP ? "skip" : "nftables";
}

export interface RestoreOptions {
  /** Programs and libraries are told by their build ids. */
  readonly buildIds: boolean;
  readonly shellJob: boolean;
  /** A slave without its master gets a new one, which the client is given. */
  readonly orphanPtsMaster: boolean;
  readonly leaveStopped: boolean;
  /** Unix sockets may be connected to other programs. */
  readonly externalUnix: boolean;
  /** The root becomes a child of our parent. */
  readonly siblings: boolean;
  /** Bits of `cpu_cap`; undefined: processors are not compared. */
  readonly compareProcessor: number | undefined;
  readonly inheritedFds: readonly { readonly key: string; readonly fd: Fd }[];
  /** TCP connections come back closed. */
  readonly tcpClose: boolean;
  readonly tcpEstablished: boolean;
}

export function restoreOptions({
  shellJob,
  orphanPtsMaster,
  leaveStopped,
  restoreSibling,
  extUnixSk,
  inheritedFds,
  cpuCap,
  tcpClose,
  tcpEstablished,
  fileValidation,
}: Options): RestoreOptions {
  return {
    buildIds: fileValidation === BUILD_ID,
    shellJob,
    orphanPtsMaster,
    leaveStopped,
    externalUnix: extUnixSk !== undefined,
    siblings: restoreSibling,
    compareProcessor: (cpuCap & CPU_IMAGE) === 0 ? undefined : cpuCap,
    tcpClose,
    tcpEstablished,
    inheritedFds: inheritedFds.map(({ key, fd }) => ({ key, fd: asFd(fd) })),
  };
}
