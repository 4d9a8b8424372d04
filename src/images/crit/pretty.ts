// How crit shows numbers with --pretty, field by field: its options on CRIU's image messages. Ours (show.proto) tell more and are for people;
// these are for programs that read crit's output.
type Names = readonly (readonly [name: string, number: number])[];
export type Manner =
  | { readonly as: "hex" }
  | { readonly as: "address" }
  | { readonly as: "device"; readonly encoding: "kernel" | "user" }
  | { readonly as: "flags"; readonly names: Names }
  | { readonly as: "name"; readonly names: Names };

const names = (of: Readonly<Record<string, number>>): Names => Object.entries(of);
const flags = (of: Readonly<Record<string, number>>): Manner => ({ as: "flags", names: names(of) });
const name = (of: Readonly<Record<string, number>>): Manner => ({ as: "name", names: names(of) });
const device: Manner = { as: "device", encoding: "kernel" };
const userDevice: Manner = { as: "device", encoding: "user" };
const hex: Manner = { as: "hex" };

const openFlags = flags({
  ...{ O_WRONLY: 1, O_RDWR: 2, O_CREAT: 0o100, O_EXCL: 0o200, O_NOCTTY: 0o400, O_TRUNC: 0o1000, O_APPEND: 0o2000 },
  ...{ O_NONBLOCK: 0o4000, O_DSYNC: 0o10000, FASYNC: 0o20000, O_DIRECT: 0o40000, O_LARGEFILE: 0o100000 },
  ...{ O_DIRECTORY: 0o200000, O_NOFOLLOW: 0o400000, O_NOATIME: 0o1000000, O_CLOEXEC: 0o2000000 },
});
const socketType = name({ STREAM: 1, DGRAM: 2, RAW: 3, SEQPACKET: 5, PACKET: 10 });
const socketState = name({
  ...{ ESTABLISHED: 1, SYN_SENT: 2, SYN_RECV: 3, FIN_WAIT1: 4, FIN_WAIT2: 5, TIME_WAIT: 6, CLOSE: 7, CLOSE_WAIT: 8 },
  ...{ LAST_ACK: 9, LISTEN: 10 },
});

const single: Readonly<Record<string, Manner>> = {
  "TaskCoreEntry.task_state": name({ Alive: 1, Zombie: 3, Stopped: 6 }),
  "VmaEntry.prot": flags({ PROT_READ: 1, PROT_WRITE: 2, PROT_EXEC: 4 }),
  "VmaEntry.flags": flags({ MAP_SHARED: 1, MAP_PRIVATE: 2, MAP_DROPPABLE: 8, MAP_ANON: 0x20, MAP_GROWSDOWN: 0x100 }),
  "VmaEntry.status": flags({
    ...{
      VMA_AREA_NONE: 0,
      VMA_AREA_REGULAR: 1,
      VMA_AREA_STACK: 1 << 1,
      VMA_AREA_VSYSCALL: 1 << 2,
      VMA_AREA_VDSO: 1 << 3,
    },
    ...{ VMA_AREA_HEAP: 1 << 5, VMA_FILE_PRIVATE: 1 << 6, VMA_FILE_SHARED: 1 << 7, VMA_ANON_SHARED: 1 << 8 },
    ...{ VMA_ANON_PRIVATE: 1 << 9, VMA_AREA_SYSVIPC: 1 << 10, VMA_AREA_SOCKET: 1 << 11, VMA_AREA_VVAR: 1 << 12 },
    ...{ VMA_AREA_AIORING: 1 << 13, VMA_AREA_MEMFD: 1 << 14, VMA_AREA_SHSTK: 1 << 15, VMA_AREA_UPROBES: 1 << 17 },
    VMA_UNSUPP: 2 ** 31,
  }),
  "PagemapEntry.flags": flags({ PE_PARENT: 1, PE_LAZY: 2, PE_PRESENT: 4 }),
  "RegFileEntry.flags": openFlags,
  "MemfdFileEntry.flags": openFlags,
  "BpfmapFileEntry.flags": openFlags,
  "MemfdInodeEntry.seals": flags({
    ...{ F_SEAL_SEAL: 1, F_SEAL_SHRINK: 2, F_SEAL_GROW: 4, F_SEAL_WRITE: 8, F_SEAL_FUTURE_WRITE: 0x10 },
  }),
  "UnixSkEntry.type": socketType,
  "UnixSkEntry.state": socketState,
  "InetSkEntry.family": name({ UNIX: 1, INET: 2, INET6: 10, NETLINK: 16, PACKET: 17 }),
  "InetSkEntry.type": socketType,
  "InetSkEntry.proto": name({ IP: 0, TCP: 6, UDP: 17, UDPLITE: 136 }),
  "InetSkEntry.state": socketState,
  "InotifyWdEntry.s_dev": device,
  "FanotifyMarkEntry.s_dev": device,
  "MntEntry.root_dev": device,
  "GhostFileEntry.dev": device,
  "GhostFileEntry.rdev": userDevice,
  "IrmapCacheEntry.dev": userDevice,
};

/** Fields of messages, and of everything in them. */
const inHex: Readonly<Record<string, string>> = {
  ThreadInfoX86: "clear_tid_addr gpregs",
  UserX86CetEntry: "cet ssp",
  ThreadInfoAarch64: "clear_tid_addr gpregs",
  ThreadInfoArm: "clear_tid_addr gpregs",
  ThreadInfoLoongarch64: "clear_tid_addr gpregs fpregs",
  ThreadInfoMips: "clear_tid_addr gpregs fpregs",
  ThreadInfoPpc64: "clear_tid_addr gpregs",
  ThreadInfoRiscv64: "clear_tid_addr gpregs",
  ThreadInfoS390: "clear_tid_addr gpregs fpregs vxrs_low vxrs_high gs_cb gs_bc ri_cb",
  TaskCoreEntry: "blk_sigset blk_sigset_extended membarrier_registration_mask",
  SaEntry: "sigaction flags restorer mask mask_extended",
  MmEntry:
    "mm_start_code mm_end_code mm_start_data mm_end_data mm_start_stack mm_start_brk mm_brk mm_arg_start mm_arg_end mm_env_start mm_env_end",
  VmaEntry: "start end madv fdflags",
  TcpStreamEntry: "opt_mask",
  SignalfdEntry: "flags sigmask",
  TimerfdEntry: "flags settime_flags",
  InotifyFileEntry: "flags",
  InotifyWdEntry: "mask ignored_mask",
  FanotifyFileEntry: "flags faflags evflags",
  FanotifyMarkEntry: "mflags mask ignored_mask",
  PipeEntry: "flags",
  NetlinkSkEntry: "flags",
  MntEntry: "flags sb_flags",
  TtyFileEntry: "flags",
  UnixSkEntry: "flags uflags",
  InetSkEntry: "flags",
  PacketSockEntry: "flags",
  NetDeviceEntry: "flags",
  TunLinkEntry: "flags",
  PagemapEntry: "vaddr",
};
const addresses: Readonly<Record<string, string>> = {
  InetSkEntry: "src_addr dst_addr",
  SitEntry: "local remote rd_prefix relay_prefix",
};

const rows = (of: Readonly<Record<string, string>>, manner: Manner): [string, Manner][] =>
  Object.entries(of).flatMap(([message, fields]) =>
    fields.split(" ").map((field): [string, Manner] => [`${message}.${field}`, manner]),
  );
const manners = new Map([...Object.entries(single), ...rows(inHex, hex), ...rows(addresses, { as: "address" })]);

/** Undefined: in decimal. */
export const mannerOf = (message: string, field: string): Manner | undefined => manners.get(`${message}.${field}`);

export function showFlags(flagNames: Names, value: bigint): string {
  const known = flagNames.filter(([, bit]) => (value & BigInt(bit)) !== 0n);
  const rest = flagNames.reduce((left, [, bit]) => left & ~BigInt(bit), value);
  return [...known.map(([word]) => word), ...(rest === 0n ? [] : [`0x${rest.toString(16)}`])].join(" | ");
}

/** Undefined: a word that is neither a name nor a number. */
export function readFlags(flagNames: Names, text: string): bigint | undefined {
  let value = 0n;
  for (const word of text === "" ? [] : text.split("|")) {
    const bit = flagNames.find(([known]) => known === word.trim())?.[1] ?? integer(word.trim());
    if (bit === undefined) return undefined;
    value += BigInt(bit);
  }
  return value;
}

/** Python's int(text, 0). */
export function integer(text: string): bigint | undefined {
  const [, minus = "", digits] = /^\s*(-?)\s*(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|\d+)\s*$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  return minus === "" ? BigInt(digits) : -BigInt(digits);
}

const MINOR_BITS = 20n;
const MINOR_MASK = (1n << MINOR_BITS) - 1n;

export function showDevice(value: bigint, encoding: "kernel" | "user"): string {
  if (encoding === "kernel") return `${value >> MINOR_BITS}:${value & MINOR_MASK}`;
  // gnu_dev_major and gnu_dev_minor, makedev(3)
  return `${((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n)}:${(value & 0xffn) | ((value >> 12n) & 0xffffff00n)}`;
}

export function readDevice(text: string, encoding: "kernel" | "user"): bigint | undefined {
  const [, majorText, minorText] = /^(\d+):(\d+)$/.exec(text) ?? [];
  if (majorText === undefined || minorText === undefined) return undefined;
  const [major, minor] = [BigInt(majorText), BigInt(minorText)];
  if (encoding === "kernel") return (major << MINOR_BITS) | minor;
  return ((major & 0xfffn) << 8n) | ((major & ~0xfffn) << 32n) | (minor & 0xffn) | ((minor & ~0xffn) << 12n);
}
