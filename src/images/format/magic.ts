// Every file of an image directory, once: its name, its magics, the message of its records.
// Format: CRIU 4.2, criu/include/magic.h and criu/image-desc.c; names of messages as in proto/images.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import * as entry from "./entries.js";

/** First word of a file of format 1.1. The inventory has none, service files have the other one. */
export const COMMON_MAGIC = 0x54564319;
export const SERVICE_MAGIC = 0x55105940;

/** What the words before the first record are. */
export type Head = "common" | "service" | "inventory";

/** How many records a file may hold, and whether its absence means "none" or "the image is not whole". */
interface Rules {
  readonly count: "one" | "many";
  readonly missing: "empty" | "error";
  /** Written once a dump: a file left over from an earlier dump is removed when this one has nothing to put there. */
  readonly swept: boolean;
  /** Read from old images, never written. */
  readonly old: boolean;
}

export interface RecordKind<D extends DescMessage = DescMessage> extends Rules {
  readonly records: true;
  /** %u: decimal id; %x: hexadecimal id. */
  readonly file: string;
  readonly head: Head;
  readonly magic: number;
  /** What `crit` calls it. */
  readonly crit: string;
  readonly message: D;
}

/** A file without head and records: what another program wrote, or memory. */
export interface RawKind extends Rules {
  readonly records: false;
  readonly file: string;
}
export type ImageKind = RecordKind | RawKind;

const ordinary: Rules = { count: "many", missing: "empty", swept: false, old: false };
const one = { count: "one" } as const;
const must = { missing: "error" } as const;
const swept = { swept: true } as const;
const old = { old: true } as const;
type Row = readonly [file: string, magic: number, crit: string];

const image = <D extends DescMessage>(
  [file, magic, crit]: Row,
  message: D,
  ...rules: Partial<Rules>[]
): RecordKind<D> => ({
  ...Object.assign({ ...ordinary }, ...rules),
  records: true,
  file: `${file}.img`,
  head: "common",
  magic,
  crit,
  message,
});
const service = <D extends DescMessage>(row: Row, message: D, ...rules: Partial<Rules>[]): RecordKind<D> => ({
  ...image(row, message, ...rules),
  file: row[0],
  head: "service",
});
const raw = (file: string): RawKind => ({ ...ordinary, records: false, file: `${file}.img` });

/** Keyed by the file's name without id and suffix. */
export const imageKinds = {
  inventory: {
    ...image(["inventory", 0x58313116, "INVENTORY"], entry.InventoryEntrySchema, one, must),
    head: "inventory",
  },

  // The tree and its tasks. Ids: pid; tid for core; files_id for fdinfo.
  pstree: image(["pstree", 0x50273030, "PSTREE"], entry.PstreeEntrySchema, must),
  core: image(["core-%u", 0x55053847, "CORE"], entry.CoreEntrySchema, one, must),
  ids: image(["ids-%u", 0x54432030, "IDS"], entry.TaskKobjIdsEntrySchema, one, must),
  mm: image(["mm-%u", 0x57492820, "MM"], entry.MmEntrySchema, one, must),
  fs: image(["fs-%u", 0x51403912, "FS"], entry.FsEntrySchema, one, must),
  fdinfo: image(["fdinfo-%u", 0x56213732, "FDINFO"], entry.FdinfoEntrySchema),

  // Memory. The first record of a pagemap is PagemapHead: pagemap.ts.
  pagemap: image(["pagemap-%u", 0x56084025, "PAGEMAP"], entry.PagemapEntrySchema, must),
  "pagemap-shmem": image(["pagemap-shmem-%u", 0x56084025, "PAGEMAP"], entry.PagemapEntrySchema, must),
  pages: raw("pages-%u"),

  // Open files, and what is in them.
  files: image(["files", 0x56303138, "FILES"], entry.FileEntrySchema, swept),
  "pipes-data": image(["pipes-data", 0x56453709, "PIPES_DATA"], entry.PipeDataEntrySchema, swept),
  "fifo-data": image(["fifo-data", 0x59333054, "FIFO_DATA"], entry.PipeDataEntrySchema, swept),
  "sk-queues": image(["sk-queues", 0x56264026, "SK_QUEUES"], entry.SkPacketEntrySchema, swept),
  "tcp-stream": image(["tcp-stream-%x", 0x51465506, "TCP_STREAM"], entry.TcpStreamEntrySchema, one, must),
  "tty-info": image(["tty-info", 0x59453036, "TTY_INFO"], entry.TtyInfoEntrySchema, swept),
  "tty-data": image(["tty-data", 0x59413026, "TTY_DATA"], entry.TtyDataEntrySchema, swept),
  "remap-fpath": image(["remap-fpath", 0x59133954, "REMAP_FPATH"], entry.RemapFilePathEntrySchema, swept),
  "ghost-file": image(["ghost-file-%x", 0x52583605, "GHOST_FILE"], entry.GhostFileEntrySchema, must),
  memfd: image(["memfd", 0x48453499, "MEMFD_INODE"], entry.MemfdInodeEntrySchema, swept),
  filelocks: image(["filelocks", 0x54323616, "FILE_LOCKS"], entry.FileLockEntrySchema, swept),
  "bpfmap-file": image(["bpfmap-file", 0x57506142, "BPFMAP_FILE"], entry.BpfmapFileEntrySchema, swept),
  "bpfmap-data": image(["bpfmap-data", 0x64324033, "BPFMAP_DATA"], entry.BpfmapDataEntrySchema, swept),
  pidfd: image(["pidfd", 0x54435556, "PIDFD"], entry.PidfdEntrySchema, old),

  // Shared by many tasks.
  cgroup: image(["cgroup", 0x59383330, "CGROUP"], entry.CgroupEntrySchema, one, swept),
  seccomp: image(["seccomp", 0x64413049, "SECCOMP"], entry.SeccompEntrySchema, one, swept),
  apparmor: image(["apparmor", 0x59423047, "APPARMOR"], entry.ApparmorEntrySchema, one, swept),

  // Namespaces. Id: the namespace's.
  utsns: image(["utsns-%u", 0x54473203, "UTSNS"], entry.UtsnsEntrySchema, one),
  pidns: image(["pidns-%u", 0x61157326, "PIDNS"], entry.PidnsEntrySchema, one),
  userns: image(["userns-%u", 0x55474906, "USERNS"], entry.UsernsEntrySchema, one),
  timens: image(["timens-%u", 0x43114433, "TIMENS"], entry.TimensEntrySchema, one),
  "ipcns-var": image(["ipcns-var-%u", 0x53115007, "IPC_VAR"], entry.IpcVarEntrySchema, one),
  "ipcns-shm": image(["ipcns-shm-%u", 0x46283044, "IPCNS_SHM"], entry.IpcShmEntrySchema),
  "ipcns-msg": image(["ipcns-msg-%u", 0x55453737, "IPCNS_MSG"], entry.IpcMsgEntrySchema),
  "ipcns-sem": image(["ipcns-sem-%u", 0x59573019, "IPCNS_SEM"], entry.IpcSemEntrySchema),
  mountpoints: image(["mountpoints-%u", 0x55563928, "MNTS"], entry.MntEntrySchema),
  "tmpfs-dev": raw("tmpfs-dev-%u.tar.gz"),
  tmpfs: raw("tmpfs-%u.tar.gz"),
  autofs: image(["autofs-%u", 0x49353943, "AUTOFS"], entry.AutofsEntrySchema),
  "binfmt-misc": image(["binfmt-misc", 0x67343323, "BINFMT_MISC"], entry.BinfmtMiscEntrySchema),
  "binfmt-misc-old": image(["binfmt-misc-%u", 0x67343323, "BINFMT_MISC"], entry.BinfmtMiscEntrySchema, old),
  netdev: image(["netdev-%u", 0x57373951, "NETDEV"], entry.NetDeviceEntrySchema),
  netns: image(["netns-%u", 0x55933752, "NETNS"], entry.NetnsEntrySchema, one),
  "netns-ct": raw("netns-ct-%u"),
  "netns-exp": raw("netns-exp-%u"),
  ifaddr: raw("ifaddr-%u"),
  route: raw("route-%u"),
  route6: raw("route6-%u"),
  rule: raw("rule-%u"),
  iptables: raw("iptables-%u"),
  ip6tables: raw("ip6tables-%u"),
  nftables: raw("nftables-%u"),

  // About the dump and the machine.
  cpuinfo: image(["cpuinfo", 0x61404013, "CPUINFO"], entry.CpuinfoEntrySchema, one),
  "stats-dump": service(["stats-dump", 0x57093306, "STATS"], entry.StatsEntrySchema, one),
  "stats-restore": service(["stats-restore", 0x57093306, "STATS"], entry.StatsEntrySchema, one),
  "irmap-cache": service(["irmap-cache", 0x57004059, "IRMAP_CACHE"], entry.IrmapCacheEntrySchema),

  // Before CRIU 3.4: each kind of open file in an image of its own.
  "reg-files": image(["reg-files", 0x50363636, "REG_FILES"], entry.RegFileEntrySchema, old),
  "ext-files": image(["ext-files", 0x59255641, "EXT_FILES"], entry.ExtFileEntrySchema, old),
  "ns-files": image(["ns-files", 0x61394011, "NS_FILES"], entry.NsFileEntrySchema, old),
  eventfd: image(["eventfd", 0x44523722, "EVENTFD_FILE"], entry.EventfdFileEntrySchema, old),
  eventpoll: image(["eventpoll", 0x45023858, "EVENTPOLL_FILE"], entry.EventpollFileEntrySchema, old),
  "eventpoll-tfd": image(["eventpoll-tfd", 0x44433746, "EVENTPOLL_TFD"], entry.EventpollTfdEntrySchema, old),
  signalfd: image(["signalfd", 0x57323820, "SIGNALFD"], entry.SignalfdEntrySchema, old),
  timerfd: image(["timerfd", 0x50493712, "TIMERFD"], entry.TimerfdEntrySchema, old),
  inotify: image(["inotify", 0x48424431, "INOTIFY_FILE"], entry.InotifyFileEntrySchema, old),
  "inotify-wd": image(["inotify-wd", 0x54562009, "INOTIFY_WD"], entry.InotifyWdEntrySchema, old),
  fanotify: image(["fanotify", 0x55096122, "FANOTIFY_FILE"], entry.FanotifyFileEntrySchema, old),
  "fanotify-mark": image(["fanotify-mark", 0x56506035, "FANOTIFY_MARK"], entry.FanotifyMarkEntrySchema, old),
  pipes: image(["pipes", 0x56513555, "PIPES"], entry.PipeEntrySchema, old),
  fifo: image(["fifo", 0x58364939, "FIFO"], entry.FifoEntrySchema, old),
  unixsk: image(["unixsk", 0x54373943, "UNIXSK"], entry.UnixSkEntrySchema, old),
  inetsk: image(["inetsk", 0x56443851, "INETSK"], entry.InetSkEntrySchema, old),
  packetsk: image(["packetsk", 0x60454618, "PACKETSK"], entry.PacketSockEntrySchema, old),
  netlinksk: image(["netlinksk", 0x58005614, "NETLINK_SK"], entry.NetlinkSkEntrySchema, old),
  tunfile: image(["tunfile", 0x57143751, "TUNFILE"], entry.TunfileEntrySchema, old),
  tty: image(["tty", 0x59433025, "TTY_FILES"], entry.TtyFileEntrySchema, old),

  // Before that: now inside core and mm.
  sigacts: image(["sigacts-%u", 0x55344201, "SIGACT"], entry.SaEntrySchema, old),
  itimers: image(["itimers-%u", 0x57464056, "ITIMERS"], entry.ItimerEntrySchema, old),
  "posix-timers": image(["posix-timers-%u", 0x52603957, "POSIX_TIMERS"], entry.PosixTimerEntrySchema, old),
  creds: image(["creds-%u", 0x54023547, "CREDS"], entry.CredsEntrySchema, one, old),
  rlimit: image(["rlimit-%u", 0x57113925, "RLIMIT"], entry.RlimitEntrySchema, old),
  vmas: image(["vmas-%u", 0x54123737, "VMAS"], entry.VmaEntrySchema, old),
  "signal-s": image(["signal-s-%u", 0x59255647, "SIGNAL"], entry.SiginfoEntrySchema, old),
  "signal-p": image(["signal-p-%u", 0x59255647, "SIGNAL"], entry.SiginfoEntrySchema, old),
} as const satisfies Record<string, ImageKind>;

export type ImageName = keyof typeof imageKinds;
export type RecordName = { [N in ImageName]: (typeof imageKinds)[N] extends RecordKind ? N : never }[ImageName];
export type RawName = Exclude<ImageName, RecordName>;
export const isImageName = (name: string): name is ImageName => Object.hasOwn(imageKinds, name);
export const imageNames: readonly ImageName[] = Object.keys(imageKinds).filter(isImageName);

const isRecordName = (name: ImageName): name is RecordName => imageKinds[name].records;
export const recordNames: readonly RecordName[] = imageNames.filter(isRecordName);

/** The message of an image's records. */
export type SchemaOf<N extends RecordName> = (typeof imageKinds)[N]["message"];
export type EntryOf<N extends RecordName> = MessageShape<SchemaOf<N>>;

const recordKinds: { readonly [N in RecordName]: RecordKind<SchemaOf<N>> } = imageKinds;
/** A row of the table with its message's type. */
export function recordKind<N extends RecordName>(name: N): RecordKind<SchemaOf<N>> {
  return recordKinds[name];
}

/** A pid, an object's id or a namespace's; absent for files that are there once. */
export type ImageId = number | bigint | undefined;

/** "core-12.img". Preconditions: `id` is given exactly when the kind's file name has a place for it. */
export function fileName(name: ImageName, id: ImageId): string {
  const { file } = imageKinds[name];
  const named = file.replace(/%[ux]/, (place) => (id === undefined ? place : id.toString(place === "%x" ? 16 : 10)));
  if (named.includes("%") || (id !== undefined && named === file)) {
    throw new RangeError(`image ${name} (${file}) ${id === undefined ? "needs an id" : `takes no id, got ${id}`}`);
  }
  return named;
}

const patterns = imageNames.map((name) => {
  const { file } = imageKinds[name];
  const pattern = file.replaceAll(".", "\\.").replace("%u", "(0|[1-9][0-9]*)").replace("%x", "(0|[1-9a-f][0-9a-f]*)");
  return { name, hex: file.includes("%x"), pattern: new RegExp(`^${pattern}$`) };
});

/** Which image a file of a directory is; undefined for what is none ("criu.log", "parent"). */
export function imageOfFile(file: string): { readonly name: ImageName; readonly id: bigint | undefined } | undefined {
  for (const { name, hex, pattern } of patterns) {
    const match = pattern.exec(file);
    if (match) return { name, id: match[1] === undefined ? undefined : BigInt(hex ? `0x${match[1]}` : match[1]) };
  }
  return undefined;
}
