// What a watch of inotify or fanotify is on: an inode, which gets a path for the images where it has one.
import { readlinkSync, statSync } from "node:fs";
import type { FhEntry } from "../../../images/format/entries.js";
import { F_DUPFD_CLOEXEC, O, O_RDONLY } from "../../../kernel/abi/fcntl.js";
import { AT_FDCWD, type Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { statOf } from "../../../kernel/stat.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { DumpContext, OpenFile, RestoreContext } from "../../kind.js";
import { refuseFile } from "../refuse.js";
import { RestoredGhosts } from "../regular/restored.js";
import { type Inode, parseHandle, pathOf, withHandle } from "./handle.js";
import { InodeSearch } from "./search.js";

/** File systems whose handles mean nothing once they are mounted anew. */
const VOLATILE_TYPES = ["tmpfs", "devtmpfs"];

/** "wd:1 ino:405 sdev:fe00000": pairs by name, numbers in hex. */
export function pairsOf(line: string): ReadonlyMap<string, string> {
  return new Map(
    line
      .trim()
      .split(/\s+/)
      .map((pair) => {
        const colon = pair.indexOf(":");
        return [pair.slice(0, colon), pair.slice(colon + 1)];
      }),
  );
}
export const hexIn = (fields: ReadonlyMap<string, string>, name: string): number =>
  Number.parseInt(fields.get(name) ?? "0", 16);
export const inodeIn = (fields: ReadonlyMap<string, string>): Inode => ({
  device: hexIn(fields, "sdev"),
  inode: BigInt(`0x${fields.get("ino") ?? "0"}`),
});

/** The handle of what the watch is on, with a path if it has one. A deleted file becomes a ghost. */
export function collectTarget(file: OpenFile, fields: ReadonlyMap<string, string>, context: DumpContext): FhEntry {
  const handle = parseHandle(fields);
  const target = inodeIn(fields);
  const found = withHandle(target.device, handle, (inode) => pathOf(inode, target));
  if (found !== undefined) return { ...handle, path: found };
  const reached = withHandle(target.device, handle, (inode, { type }) => reach(file, inode, type, context));
  if (reached === "ghost" || (reached === "lasting" && !context.options.forceIrmap)) return handle;
  const path = context.once(InodeSearch).find(target);
  if (path !== undefined) return { ...handle, path };
  throw refuseFile(
    file.subject,
    `it watches inode ${target.inode} of device ${target.device >>> 20}:${target.device & 0xfffff}, whose path cannot be found`,
    "pass --irmap-scan-path with a directory that it is in, or have the program remove the watch",
  );
}

/** What there is of an inode that its path does not lead to. */
function reach(file: OpenFile, inode: Fd, type: string, context: DumpContext): "ghost" | "lasting" | "volatile" {
  const stat = statOf(inode);
  if (stat.nlink === 0n) {
    const link = readlinkSync(`/proc/self/fd/${inode}`);
    context.files.register({ process: file.process, duplicate: inode, link, subject: file.subject, stat }, O_RDONLY);
    return "ghost";
  }
  return VOLATILE_TYPES.includes(type) ? "volatile" : "lasting";
}

/** Throws StasisError when a path that is to be watched is gone. */
export function checkTarget(target: Inode, { path }: FhEntry, context: RestoreContext): void {
  if (path === "" || context.once(RestoredGhosts).entryOf(target) !== undefined) return;
  if (statSync(path, { throwIfNoEntry: false }) === undefined) throw gone(path);
}

/** What is to be watched, by a descriptor of ours (O_PATH). */
export function openTarget(target: Inode, handle: FhEntry, context: RestoreContext): Fd {
  const flags = O.O_PATH | O.O_CLOEXEC;
  const open = (path: string) => sys.openat(AT_FDCWD, path, flags, 0);
  const ghosts = context.once(RestoredGhosts);
  const ghost = ghosts.entryOf(target);
  if (ghost !== undefined) return ghosts.openThrough(ghost, open);
  const { path } = handle;
  const opened =
    path === ""
      ? withHandle(target.device, handle, (inode) => sys.fcntlDupFd(inode, F_DUPFD_CLOEXEC, 0))
      : unless(["ENOENT", "ENOTDIR"], () => open(path));
  if (opened !== undefined) return opened;
  throw gone(path || `inode ${target.inode}`);
}

function gone(path: string): StasisError {
  return new StasisError({
    code: "MAPPED_FILE_CHANGED",
    doing: "watch again",
    subject: { kind: "path", path },
    reason: "it is gone",
    remedy: "put the file back as it was",
  });
}
