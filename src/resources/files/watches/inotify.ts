// Watches of files: inotify(7). fdinfo: fs/notify/fdinfo.c, inotify_fdinfo().
import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { InotifyFileEntrySchema, type InotifyWdEntry, InotifyWdEntrySchema } from "../../../images/format/entries.js";
import { O, O_RDONLY } from "../../../kernel/abi/fcntl.js";
import {
  FIONREAD,
  IN,
  IN_ALL_EVENTS,
  INOTIFY_EVENT_BYTES,
  INOTIFY_IOC_SETNEXTWD,
} from "../../../kernel/abi/inotify.js";
import { AT_FDCWD, type Fd } from "../../../kernel/brand.js";
import { completed, own } from "../../../kernel/own-fd.js";
import { sys } from "../../../kernel/syscalls.js";
import type { DumpContext, FileKind, OpenFile } from "../../kind.js";
import { RestoredWatches } from "./restored.js";
import { checkTarget, collectTarget, hexIn, inodeIn, openTarget, pairsOf } from "./target.js";

export const inotify: FileKind<"ify"> = {
  support: "full",
  type: "INOTIFY",
  field: "ify",
  summary: "file watches, inotify(7)",
  signatures: [{ anonInode: "inotify" }],
  limits: [
    "events that were not read yet are lost: the program reads IN_Q_OVERFLOW instead, and has to look for itself",
  ],

  collect(file, common, context) {
    const lines = file.fdinfo?.fields.get("inotify") ?? [];
    const wd = lines.map((line) => collectWatch(file, line, common.id, context));
    const hasEvents = bytesQueued(file.duplicate) > 0;
    if (hasEvents) context.log.warn(`events of ${file.link} are lost: it will read IN_Q_OVERFLOW instead`);
    return create(InotifyFileEntrySchema, { ...common, wd, ...(hasEvents ? { lostEvents: true } : {}) });
  },

  validate({ wd }, context) {
    for (const watch of wd) checkTarget(inodeOf(watch), handleOf(watch), context);
  },

  open({ flags, wd, lostEvents }, context) {
    return completed(sys.inotify_init1((flags & O.O_NONBLOCK) | O.O_CLOEXEC), (fd) => {
      if (lostEvents) overflow(fd);
      const watches = context.once(RestoredWatches);
      for (const watch of [...wd].sort((a, b) => a.wd - b.wd)) {
        const target = openTarget(inodeOf(watch), handleOf(watch), context);
        watches.later(fd, target, (path, instance) => addWatch(instance, watch, path));
      }
    });
  },
};

function collectWatch(file: OpenFile, line: string, id: number, context: DumpContext): InotifyWdEntry {
  const fields = pairsOf(line);
  const { device, inode } = inodeIn(fields);
  return create(InotifyWdEntrySchema, {
    id,
    iIno: inode,
    mask: hexIn(fields, "mask"),
    ignoredMask: hexIn(fields, "ignored_mask"),
    sDev: device,
    wd: hexIn(fields, "wd"),
    fHandle: collectTarget(file, fields, context),
  });
}

const inodeOf = ({ sDev, iIno }: InotifyWdEntry) => ({ device: sDev, inode: iIno });

function handleOf({ fHandle, wd }: InotifyWdEntry) {
  if (fHandle === undefined) throw new RangeError(`watch ${wd} has no handle, which is a required field`);
  return fHandle;
}

/** The program knows its watches by their numbers, which the kernel counts up. */
function addWatch(instance: Fd, { wd, mask }: InotifyWdEntry, path: string): void {
  sys.ioctlValue(instance, INOTIFY_IOC_SETNEXTWD, wd);
  const got = sys.inotify_add_watch(instance, path, mask & (IN_ALL_EVENTS | IN.IN_EXCL_UNLINK | IN.IN_ONESHOT));
  if (got !== wd) throw new RangeError(`a watch has number ${got} instead of ${wd}`);
}

function bytesQueued(instance: Fd): number {
  const bytes = new Int32Array(1);
  sys.ioctl(instance, FIONREAD, new Uint8Array(bytes.buffer));
  return bytes[0] ?? 0;
}

/**
 * Leaves the event that tells of lost events in the queue, and no other. Only the kernel can put it there, when the queue is full:
 * it is filled with events of a file of our own, and these are read away again.
 */
function overflow(instance: Fd): void {
  using scratch = own(sys.memfd_create("stasis", 0));
  const path = `/proc/self/fd/${scratch.fd}`;
  const watch = sys.inotify_add_watch(instance, path, IN.IN_OPEN | IN.IN_CLOSE_NOWRITE);
  const room = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"));
  // Two events each. Equal neighbours would become one.
  for (let events = 0; events <= room; events += 2) sys.close(sys.openat(AT_FDCWD, path, O_RDONLY | O.O_CLOEXEC, 0));
  sys.inotify_rm_watch(instance, watch);
  const buffer = new Uint8Array(4096 * INOTIFY_EVENT_BYTES);
  for (let left = bytesQueued(instance) - INOTIFY_EVENT_BYTES; left > 0; )
    left -= sys.read(instance, buffer, Math.min(left, buffer.byteLength));
}
