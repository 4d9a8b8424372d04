// Watches of files, mounts and file systems: fanotify(7). fdinfo: fs/notify/fdinfo.c, fanotify_fdinfo().
import { statSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import {
  FanotifyFileEntrySchema,
  type FanotifyMarkEntry,
  FanotifyMarkEntrySchema,
  MarkType,
} from "../../../images/format/entries.js";
import { invalid } from "../../../images/format/fault.js";
import { FAN_MARK, FAN_PERMISSIONS } from "../../../kernel/abi/fanotify.js";
import { F_SETFD, FD_CLOEXEC, O } from "../../../kernel/abi/fcntl.js";
import { FIONREAD } from "../../../kernel/abi/inotify.js";
import { AT_FDCWD, asPid, type Fd } from "../../../kernel/brand.js";
import { kernelDeviceOf } from "../../../kernel/device.js";
import { completed } from "../../../kernel/own-fd.js";
import { readMountinfo } from "../../../kernel/proc/mountinfo.js";
import { sys } from "../../../kernel/syscalls.js";
import type { DumpContext, FileKind, OpenFile, RestoreContext } from "../../kind.js";
import { refuseFile } from "../refuse.js";
import { RestoredWatches } from "./restored.js";
import { checkTarget, collectTarget, hexIn, inodeIn, openTarget, pairsOf } from "./target.js";

export const fanotify: FileKind<"ffy"> = {
  support: "full",
  type: "FANOTIFY",
  field: "ffy",
  summary: "file system watches, fanotify(7)",
  signatures: [{ anonInode: "[fanotify]" }],
  limits: [
    "events that were not read yet are lost, which the log tells",
    "marks on whole file systems and events that ask for permission are refused",
  ],

  collect(file, common, context) {
    const lines = (file.fdinfo?.fields.get("fanotify") ?? []).map(pairsOf);
    const group = lines.find((fields) => fields.has("flags")) ?? new Map<string, string>();
    const marks = lines.filter((fields) => fields.has("mask"));
    const bytes = new Int32Array(1);
    sys.ioctl(file.duplicate, FIONREAD, new Uint8Array(bytes.buffer));
    if (bytes[0] !== 0) context.log.warn(`events of ${file.link} of pid ${file.process.pid} are lost`);
    return create(FanotifyFileEntrySchema, {
      ...common,
      faflags: hexIn(group, "flags"),
      evflags: hexIn(group, "event-flags"),
      mark: marks.map((fields) => collectMark(file, fields, common.id, context)),
    });
  },

  validate({ mark }, context) {
    for (const one of mark) checkMark(one, context);
  },

  open({ faflags, evflags, mark }, context) {
    // The kernel shows FAN_CLOEXEC and FAN_NONBLOCK as they were given here, whatever became of the descriptor.
    return completed(sys.fanotify_init(faflags, evflags), (fd) => {
      sys.fcntlSet(fd, F_SETFD, FD_CLOEXEC);
      const watches = context.once(RestoredWatches);
      for (const one of mark) watches.later(fd, targetOf(one, context), (path, group) => addMark(group, one, path));
    });
  },
};

function collectMark(
  file: OpenFile,
  fields: ReadonlyMap<string, string>,
  id: number,
  context: DumpContext,
): FanotifyMarkEntry {
  const common = {
    id,
    mflags: hexIn(fields, "mflags"),
    mask: hexIn(fields, "mask"),
    ignoredMask: hexIn(fields, "ignored_mask"),
  };
  if ((common.mask & FAN_PERMISSIONS) !== 0)
    throw refuseFile(file.subject, "it is asked for permission by whoever uses files", "remove its permission events");
  if (fields.has("ino")) {
    const { device, inode } = inodeIn(fields);
    const ie = { iIno: inode, fHandle: collectTarget(file, fields, context) };
    return create(FanotifyMarkEntrySchema, { ...common, type: MarkType.INODE, sDev: device, ie });
  }
  const mntId = hexIn(fields, "mnt_id");
  const mount = readMountinfo(asPid(process.pid))?.find(({ mountId }) => fields.has("mnt_id") && mountId === mntId);
  if (mount === undefined)
    throw refuseFile(
      file.subject,
      "it watches a whole file system, or a mount that we do not see",
      "watch a mount or files instead",
    );
  const sDev = kernelDeviceOf(mount.major, mount.minor);
  const me = { mntId, path: mount.mountPoint };
  return create(FanotifyMarkEntrySchema, { ...common, type: MarkType.MOUNT, sDev, me });
}

function checkMark({ type, sDev, ie, me }: FanotifyMarkEntry, context: RestoreContext): void {
  const file = "files.img";
  if (type === MarkType.INODE) {
    if (ie?.fHandle === undefined) throw invalid({ file }, "a fanotify mark does not say of which inode");
    checkTarget({ device: sDev, inode: ie.iIno }, ie.fHandle, context);
  } else if (me === undefined || statSync(me.path, { throwIfNoEntry: false }) === undefined) {
    throw invalid({ file }, `a fanotify mark is of the mount ${me?.path}, which is not there`);
  }
}

function targetOf({ sDev, ie, me }: FanotifyMarkEntry, context: RestoreContext): Fd {
  if (ie?.fHandle !== undefined) return openTarget({ device: sDev, inode: ie.iIno }, ie.fHandle, context);
  return sys.openat(AT_FDCWD, me?.path ?? "/", O.O_PATH | O.O_CLOEXEC, 0);
}

/** Flags of ignored events are for these only. */
const OF_IGNORED = FAN_MARK.FAN_MARK_IGNORED_SURV_MODIFY | FAN_MARK.FAN_MARK_IGNORE;

function addMark(group: Fd, { type, mflags, mask, ignoredMask }: FanotifyMarkEntry, path: string): void {
  const on = FAN_MARK.FAN_MARK_ADD | (type === MarkType.MOUNT ? FAN_MARK.FAN_MARK_MOUNT : 0);
  const add = (flags: number, events: number) => sys.fanotify_mark(group, on | flags, BigInt(events), AT_FDCWD, path);
  if (mask !== 0) add(mflags & ~OF_IGNORED, mask);
  const ignoring = (mflags & FAN_MARK.FAN_MARK_IGNORE) === 0 ? FAN_MARK.FAN_MARK_IGNORED_MASK : 0;
  if (ignoredMask !== 0) add(mflags | ignoring, ignoredMask);
}
