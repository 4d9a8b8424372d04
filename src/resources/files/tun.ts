// Queues of TUN and TAP interfaces: /dev/net/tun, Documentation/networking/tuntap.rst. The interface itself, with its addresses and settings, is
// none of a process' things; so it has to be one that stays when nobody has it open (TUNSETPERSIST).
//
// As CRIU does, a file has two entries of one number: a regular one for path, flags and owner, and this one.
import { create } from "@bufbuild/protobuf";
import {
  type RegFileEntry,
  RegFileEntrySchema,
  type TunfileEntry,
  TunfileEntrySchema,
} from "../../images/format/entries.js";
import { invalid } from "../../images/format/fault.js";
import { IFF } from "../../kernel/abi/tun.js";
import { AT_FDCWD, type Fd } from "../../kernel/brand.js";
import { SyscallError } from "../../kernel/errno.js";
import { completed } from "../../kernel/own-fd.js";
import { readableWithin } from "../../kernel/packets.js";
import { statAt } from "../../kernel/stat.js";
import { sys } from "../../kernel/syscalls.js";
import { attachTun, detachQueue, tunFlags, tunQueue } from "../../kernel/tun.js";
import { StasisError } from "../../report/error.js";
import type { FileCommon, FileKind, OpenFile } from "../kind.js";
import { flagsForOpen } from "./common.js";
import { refuseFile } from "./refuse.js";
import { openThrough } from "./regular/regular.js";

/** What must be the same of an interface that a queue is attached to again. */
const NATURE = IFF.IFF_TUN | IFF.IFF_TAP | IFF.IFF_MULTI_QUEUE;

export const tun: FileKind<"tunf"> = {
  support: "full",
  type: "TUNF",
  field: "tunf",
  summary: "queues of TUN and TAP interfaces, /dev/net/tun",
  signatures: [{ mode: "character", link: /^\/dev\/net\/tun$/ }],
  limits: [
    "the interface must be persistent (TUNSETPERSIST, `ip tuntap add`), and be there on restore; one that goes away with its program is refused",
    "packets that the interface has sent and the program has not read are lost; the log tells of them",
    "how it was attached (IFF_NO_PI, IFF_VNET_HDR) is carried over by stasis alone: CRIU keeps that with network namespaces, without which it refuses such files",
  ],

  collect(file, common, context) {
    context.files.addPath(pathEntry(file, common));
    const queue = tunQueue(file.duplicate);
    if (queue === undefined) return create(TunfileEntrySchema, { id: common.id });
    const flags = flagsToSave(file, queue.name, queue.flags);
    if (readableWithin(file.duplicate, 0))
      context.log.warn(`${file.link}: packets that ${queue.name} has sent and that were not read are lost`);
    const isDetached = (queue.flags & IFF.IFF_DETACH_QUEUE) !== 0;
    return create(TunfileEntrySchema, {
      ...{ id: common.id, netdev: queue.name, flags },
      ...(isDetached ? { detached: true } : {}),
    });
  },

  validate(entry, context) {
    const { name } = context.files.path(entry.id);
    if (statAt(name) === undefined) throw gone(name, "it is not there", "load the module tun of the kernel");
    if (entry.netdev !== "") checkInterface(entry);
  },

  open(entry, context) {
    const path = context.files.path(entry.id);
    const opened = openThrough(path, context, (at) => sys.openat(AT_FDCWD, at, flagsForOpen(path.flags), 0));
    return completed(opened, (fd) => {
      if (entry.netdev !== "") attach(fd, entry);
    });
  },
};

function pathEntry({ link, stat, fdinfo, subject, isAtLink }: OpenFile, { id, flags, fown }: FileCommon): RegFileEntry {
  if (isAtLink === false)
    throw refuseFile(subject, "another file is at its path, or none", "run stasis in its mount namespace");
  const pos = fdinfo?.position ?? 0n;
  return create(RegFileEntrySchema, { id, flags, pos, fown, name: link, mntId: -1, mode: Number(stat.mode) });
}

/** Those of the interface. TUNGETIFF has one bit for two of them. */
function flagsToSave({ subject }: OpenFile, name: string, queueFlags: number): number {
  const ofInterface = tunFlags(name);
  if (ofInterface === undefined)
    throw refuseFile(subject, `its interface ${name} is in another network namespace`, CLOSE_IT);
  if ((queueFlags & IFF.IFF_PERSIST) === 0)
    throw refuseFile(
      subject,
      `its interface ${name} would go away with the program`,
      "make the interface persistent (ip tuntap add, or TUNSETPERSIST), or have the program close it before the dump",
    );
  if ((queueFlags & IFF.IFF_NOFILTER) === 0)
    throw refuseFile(subject, `a packet filter is attached to ${name} (TUNATTACHFILTER)`, CLOSE_IT);
  return ofInterface;
}
const CLOSE_IT = "have the program close it before the dump";

const FILES = { file: "files.img" };
/** netdevice(7), net/core/dev.c: dev_valid_name(). */
const INTERFACE_NAME = /^(?!\.{1,2}$)[^/:\s]{1,15}$/;

function checkInterface({ netdev, flags }: TunfileEntry): void {
  if (!INTERFACE_NAME.test(netdev)) throw invalid(FILES, `${JSON.stringify(netdev)} is no name of an interface`);
  const now = tunFlags(netdev);
  const kind = (flags & IFF.IFF_TAP) === 0 ? "tun" : "tap";
  const queues = (flags & IFF.IFF_MULTI_QUEUE) === 0 ? "" : " multi_queue";
  const remedy = `make it: ip tuntap add dev ${netdev} mode ${kind}${queues}`;
  if (now === undefined) throw gone(netdev, "there is no such TUN or TAP interface", remedy);
  if ((now & NATURE) !== (flags & NATURE)) throw gone(netdev, "it is an interface of another kind now", remedy);
}

function attach(fd: Fd, { netdev, flags, detached }: TunfileEntry): void {
  try {
    attachTun(fd, { name: netdev, flags });
    if (detached) detachQueue(fd);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    const isBusy = cause.errno === "EBUSY";
    throw new StasisError({
      code: "KERNEL_REFUSED",
      doing: "attach to the interface",
      subject: { kind: "path", path: netdev },
      reason: isBusy ? "another program has it open" : cause.message,
      ...(isBusy ? { remedy: "end that program" } : {}),
      cause,
    });
  }
}

function gone(path: string, reason: string, remedy: string): StasisError {
  const doing = path.startsWith("/") ? "restore the file" : "restore a queue of the interface";
  return new StasisError({ code: "MAPPED_FILE_CHANGED", doing, subject: { kind: "path", path }, reason, remedy });
}
