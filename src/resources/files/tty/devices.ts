// Which character devices are terminals, and what they are called in images: Documentation/admin-guide/devices.txt
import { TtyType } from "../../../images/format/entries.js";
import type { Stat } from "../../../kernel/stat.js";

const TTY_MAJOR = 4;
const TTYAUX_MAJOR = 5;
const UNIX98_PTY_MASTER_MAJOR = 128;
export const PTY_SLAVE_MAJOR = 136;
const PTY_MAJORS = 8;
const USB_SERIAL_MAJOR = 188;
const LOW_DENSE_SERIAL_MAJOR = 204;
/** Minors of the virtual terminals under TTY_MAJOR: MIN_NR_CONSOLES, MAX_NR_CONSOLES of include/uapi/linux/vt.h. */
const VIRTUAL = { from: 1, to: 63 } as const;

const range = (from: number) => Array.from({ length: PTY_MAJORS }, (_, index) => from + index);

export const TERMINAL_MAJORS: readonly number[] = [
  TTY_MAJOR,
  TTYAUX_MAJOR,
  ...range(UNIX98_PTY_MASTER_MAJOR),
  ...range(PTY_SLAVE_MAJOR),
  USB_SERIAL_MAJOR,
  LOW_DENSE_SERIAL_MAJOR,
];

/** What a terminal is opened as. `current`: /dev/tty, the controlling terminal of whoever opens it. `external`: --inherit-fd brings it. */
export type TerminalKind = "master" | "slave" | "console" | "current" | "vt" | "serial" | "external";

export const majorOf = (device: bigint): number => Number((device >> 8n) & 0xfffn);
/** Of a device number as stat(2) and TIOCGDEV give it. */
export const minorOf = (device: bigint): number => Number((device & 0xffn) | ((device >> 12n) & 0xfff00n));

/** undefined: a terminal that we know nothing of, or none. */
export function terminalKind(rdev: bigint): TerminalKind | undefined {
  const major = majorOf(rdev);
  const minor = minorOf(rdev);
  if (major === TTYAUX_MAJOR) return (["current", "console", "master"] as const)[minor];
  if (major === TTY_MAJOR)
    return minor >= VIRTUAL.from && minor <= VIRTUAL.to ? "vt" : minor > 63 ? "serial" : undefined;
  if (major === USB_SERIAL_MAJOR || major === LOW_DENSE_SERIAL_MAJOR) return "serial";
  if (major >= UNIX98_PTY_MASTER_MAJOR && major < PTY_SLAVE_MAJOR) return "master";
  return major >= PTY_SLAVE_MAJOR && major < PTY_SLAVE_MAJOR + PTY_MAJORS ? "slave" : undefined;
}

const CHARACTER = 0o020000n;
export const isTerminal = ({ mode, rdev }: Pick<Stat, "mode" | "rdev">): boolean =>
  (mode & 0o170000n) === CHARACTER && terminalKind(rdev) !== undefined;

export const typeOf = {
  master: TtyType.PTY,
  slave: TtyType.PTY,
  console: TtyType.CONSOLE,
  current: TtyType.CTTY,
  vt: TtyType.VT,
  serial: TtyType.SERIAL,
  external: TtyType.EXT_TTY,
} as const satisfies Record<TerminalKind, TtyType>;

/** Above it CRIU's ids for terminals of other types begin. */
export const MAX_PTY_INDEX = 1000;
/** CRIU's ids in tty-info.img: those of ptys from their index, one each for the other types. */
const fixedIds = { console: 2004, vt: 2008, current: 2012, serial: 2020, external: 2026 } as const;
/** Ids that CRIU gives to nobody and accepts: for a second terminal of such a type. */
const spareIds = { from: 2153, to: 2176 } as const;

export const masterId = (index: number): number => index * 2 + 1;
export const slaveId = (index: number): number => index * 2;
/** The device number of /dev/pts/`index`. */
export const slaveDevice = (index: number): number => (PTY_SLAVE_MAJOR << 8) | (index & 0xff) | ((index & ~0xff) << 12);

/** The id of a terminal that is no pty; undefined: there are too many. */
export function fixedId(kind: keyof typeof fixedIds, taken: ReadonlySet<number>): number | undefined {
  if (!taken.has(fixedIds[kind])) return fixedIds[kind];
  for (let id: number = spareIds.from; id <= spareIds.to; id++) if (!taken.has(id)) return id;
  return undefined;
}

/** How --external and --inherit-fd name a terminal: its device, and that of the file system that its file is in. */
export const externalKey = (rdev: bigint | number, dev: bigint | number): string =>
  `tty[${rdev.toString(16)}:${dev.toString(16)}]`;
