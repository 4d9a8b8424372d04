// The mounts that a process sees: proc_pid_mountinfo(5); fs/proc_namespace.c:show_mountinfo.
import type { Pid } from "../brand.js";
import { decodeOctal } from "./escape.js";
import { ProcFormatError, readProc } from "./read.js";

export interface Mount {
  readonly mountId: number;
  readonly parentId: number;
  readonly major: number;
  readonly minor: number;
  /** What of the filesystem is mounted. */
  readonly root: string;
  /** Where, relative to the root of the process. */
  readonly mountPoint: string;
  /** Of this mount: "rw", "nosuid". */
  readonly options: readonly string[];
  /** Peer group that it propagates to and from; absent: private. */
  readonly sharedGroup?: number;
  /** Peer group that it receives from; absent: not a slave. */
  readonly masterGroup?: number;
  /** Nearest dominant peer group under the root of the process. */
  readonly propagateFrom?: number;
  readonly unbindable: boolean;
  /** Filesystem type, with its subtype after a dot. */
  readonly type: string;
  readonly source: string;
  /** Of the filesystem. */
  readonly superOptions: readonly string[];
}

/** Mounts, each after its parent; undefined: the process is gone. */
export function readMountinfo(pid: Pid): Mount[] | undefined {
  const text = readProc(pid, "mountinfo");
  return text === undefined ? undefined : parseMountinfo(text);
}

/** The text of /proc/PID/mountinfo. Throws ProcFormatError. */
export function parseMountinfo(text: string): Mount[] {
  const lines = text.split("\n");
  return lines.filter((line) => line !== "").map(parseMount);
}

function parseMount(line: string): Mount {
  const fields = line.split(" ");
  const separator = fields.indexOf("-", 6);
  const [mountId, parentId, device = "", root, mountPoint, options] = fields;
  const [type, source, superOptions = ""] = fields.slice(separator + 1);
  const numbers = /^(\d+):(\d+)$/.exec(device);
  if (separator === -1 || numbers === null || root === undefined || mountPoint === undefined || options === undefined) {
    throw new ProcFormatError("mountinfo", line);
  }
  if (type === undefined || source === undefined || !/^\d+$/.test(`${mountId}${parentId}`))
    throw new ProcFormatError("mountinfo", line);
  return {
    mountId: Number(mountId),
    parentId: Number(parentId),
    major: Number(numbers[1]),
    minor: Number(numbers[2]),
    root: decodeOctal(root),
    mountPoint: decodeOctal(mountPoint),
    options: splitOptions(options),
    ...parsePropagation(fields.slice(6, separator)),
    type: decodeOctal(type),
    source: decodeOctal(source),
    superOptions: splitOptions(superOptions),
  };
}

function splitOptions(text: string): string[] {
  return text === "" ? [] : text.split(",").map(decodeOctal);
}

type Propagation = Pick<Mount, "sharedGroup" | "masterGroup" | "propagateFrom" | "unbindable">;

/** Words between the options and "-": any number, unknown ones are to be ignored, says the man page. */
function parsePropagation(words: readonly string[]): Propagation {
  const group = (name: string): number | undefined => {
    const word = words.find((word) => word.startsWith(`${name}:`));
    const digits = word?.slice(name.length + 1);
    return digits !== undefined && /^\d+$/.test(digits) ? Number(digits) : undefined;
  };
  const sharedGroup = group("shared");
  const masterGroup = group("master");
  const propagateFrom = group("propagate_from");
  return {
    ...(sharedGroup === undefined ? {} : { sharedGroup }),
    ...(masterGroup === undefined ? {} : { masterGroup }),
    ...(propagateFrom === undefined ? {} : { propagateFrom }),
    unbindable: words.includes("unbindable"),
  };
}
