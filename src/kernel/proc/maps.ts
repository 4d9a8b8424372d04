// Mappings of a process: proc_pid_maps(5), proc_pid_smaps(5); fs/proc/task_mmu.c:show_map_vma, show_smap_vma_flags.
import { type Address, asAddress, type Pid } from "../brand.js";
import { decodeOctal } from "./escape.js";
import { ProcFormatError, readProc, readProcLink } from "./read.js";

export interface Mapping {
  readonly start: Address;
  /** Exclusive. */
  readonly end: Address;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  /** MAP_SHARED; otherwise private, copy-on-write. */
  readonly shared: boolean;
  /** Where the mapping begins in its file, in bytes; for other mappings the kernel shows 0 or the address. */
  readonly offset: bigint;
  /** Device of the file; 0:0 without one. */
  readonly major: number;
  readonly minor: number;
  /** 0: no file behind it. */
  readonly inode: bigint;
  /**
   * The file, or a name of the kernel's such as "[heap]"; "" for anonymous memory. The kernel escapes newlines only, so a
   * name that holds a backslash and three digits cannot be told from one that holds the character; map_files can.
   */
  readonly path: string;
  /** The file has no name any more. A file that is really called "x (deleted)" looks the same. */
  readonly deleted: boolean;
  /** What prctl(PR_SET_VMA_ANON_NAME) called it. */
  readonly anonName?: string;
  /** Two letters a flag, as proc_pid_smaps(5) lists them: "mw", "gd"; empty when read from maps. */
  readonly vmFlags: ReadonlySet<string>;
}

const HEADER =
  /^([0-9a-f]+)-([0-9a-f]+) ([r-])([w-])([x-])([sp]) ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+)(?: +(.*))?$/;
const VM_FLAGS = "\nVmFlags: ";
const NO_FLAGS: ReadonlySet<string> = new Set();

/** Every mapping with its flags, ascending; empty when the process is gone or a zombie. Slow for much memory: it walks all pages. */
export function readMappings(pid: Pid): Mapping[] {
  const mappings = parseSmaps(readProc(pid, "smaps") ?? "");
  return mappings.map((mapping) => (isNamedShared(mapping) ? { ...mapping, ...fileBehind(pid, mapping) } : mapping));
}

/** Every mapping, ascending, `vmFlags` empty; quick. Empty when the process is gone or a zombie. */
export function readMaps(pid: Pid): Mapping[] {
  return parseMaps(readProc(pid, "maps") ?? "");
}

/** The text of /proc/PID/maps. Throws ProcFormatError. */
export function parseMaps(text: string): Mapping[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => parseHeader(line, NO_FLAGS));
}

/** The text of /proc/PID/smaps: of each mapping the first line and VmFlags are read. Throws ProcFormatError. */
export function parseSmaps(text: string): Mapping[] {
  const mappings: Mapping[] = [];
  const known = new Map<string, ReadonlySet<string>>();
  for (let at = 0; at < text.length; ) {
    const endOfHeader = text.indexOf("\n", at);
    const flagsAt = text.indexOf(VM_FLAGS, at);
    if (endOfHeader === -1 || flagsAt === -1) throw new ProcFormatError("smaps", text.slice(at));
    const endOfFlags = text.indexOf("\n", flagsAt + VM_FLAGS.length);
    const next = endOfFlags === -1 ? text.length : endOfFlags;
    mappings.push(
      parseHeader(text.slice(at, endOfHeader), flagSet(text.slice(flagsAt + VM_FLAGS.length, next), known)),
    );
    at = next + 1;
  }
  return mappings;
}

// Ten thousand mappings have a dozen different sets of flags: the sets are shared.
function flagSet(letters: string, known: Map<string, ReadonlySet<string>>): ReadonlySet<string> {
  const same = known.get(letters);
  if (same !== undefined) return same;
  const flags = new Set(letters.split(" ").filter((word) => word !== ""));
  known.set(letters, flags);
  return flags;
}

function parseHeader(line: string, vmFlags: ReadonlySet<string>): Mapping {
  const fields = HEADER.exec(line);
  if (fields === null) throw new ProcFormatError("maps", line);
  const [, start, end, r, w, x, s, offset, major = "", minor = "", inode = "", name = ""] = fields;
  return {
    start: asAddress(BigInt(`0x${start}`)),
    end: asAddress(BigInt(`0x${end}`)),
    readable: r === "r",
    writable: w === "w",
    executable: x === "x",
    shared: s === "s",
    offset: BigInt(`0x${offset}`),
    major: Number.parseInt(major, 16),
    minor: Number.parseInt(minor, 16),
    inode: BigInt(inode),
    ...parseName(name),
    vmFlags,
  };
}

const DELETED = " (deleted)";
const ANON_NAME = /^\[anon(?:_shmem)?:(.*)\]$/;

function parseName(name: string): Pick<Mapping, "path" | "deleted" | "anonName"> {
  if (name === "") return { path: "", deleted: false };
  const anonName = name.startsWith("[anon") ? ANON_NAME.exec(name)?.[1] : undefined;
  if (anonName !== undefined) return { path: "", deleted: false, anonName };
  const deleted = name.endsWith(DELETED);
  return { path: decodeOctal(deleted ? name.slice(0, -DELETED.length) : name), deleted };
}

// "[anon_shmem:NAME]" stands where the path would: that of shared anonymous memory or of a memfd. map_files still has it.
const isNamedShared = ({ anonName, inode }: Mapping) => anonName !== undefined && inode !== 0n;

function fileBehind(pid: Pid, { start, end }: Mapping): Pick<Mapping, "path" | "deleted"> {
  const link = readProcLink(pid, `map_files/${start.toString(16)}-${end.toString(16)}`) ?? "";
  const deleted = link.endsWith(DELETED);
  return { path: deleted ? link.slice(0, -DELETED.length) : link, deleted };
}
