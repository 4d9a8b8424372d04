// Sets of watched descriptors: epoll(7). fdinfo: fs/eventpoll.c, ep_show_fdinfo(). The kernel knows a watch by file and descriptor number
// of the task that added it, so it is added again inside such a task.
import { create } from "@bufbuild/protobuf";
import {
  EventpollFileEntrySchema,
  type EventpollTfdEntry,
  EventpollTfdEntrySchema,
} from "../../images/format/entries.js";
import { epoll_event } from "../../kernel/abi/epoll.js";
import { O } from "../../kernel/abi/fcntl.js";
import { asTargetFd } from "../../kernel/brand.js";
import { unless } from "../../kernel/errno.js";
import { readFdinfo, readFdLink } from "../../kernel/proc/fdinfo.js";
import { sys } from "../../kernel/syscalls.js";
import type { FileKind, OpenFile } from "../kind.js";
import { refuseFile } from "./refuse.js";

const EPOLL_CTL_ADD = 1;

export const epoll: FileKind<"epfd"> = {
  support: "full",
  type: "EVENTPOLL",
  field: "epfd",
  summary: "sets of watched descriptors, epoll(7)",
  signatures: [{ anonInode: "[eventpoll]" }],
  limits: ["a watch on a descriptor that was closed or replaced since is refused"],

  collect(file, common) {
    const lines = file.fdinfo?.fields.get("tfd") ?? [];
    return create(EventpollFileEntrySchema, {
      ...common,
      tfd: lines.map((line) => collectWatch(file, line, common.id)),
    });
  },

  open({ flags }) {
    return sys.epoll_create1((flags & O.O_CLOEXEC) | O.O_CLOEXEC);
  },

  settle({ tfd }, targetFd, { inside }, table) {
    for (const { tfd: watched, events, data } of tfd) {
      // Another task has it: the one where the dump found the watch.
      if (!table.has(watched)) continue;
      using event = inside.holding(epoll_event.encode({ events, data }));
      // EEXIST: another task that shares the set has done it.
      unless("EEXIST", () => inside.sys.epoll_ctl(targetFd, EPOLL_CTL_ADD, asTargetFd(watched), event.at));
    }
  },
};

/** "       19 events:       19 data:               13  pos:0 ino:405 sdev:d" */
const WATCH =
  /^\s*(\d+)\s+events:\s*([0-9a-f]+)\s+data:\s*([0-9a-f]+)\s+pos:\s*(-?\d+)\s+ino:\s*([0-9a-f]+)\s+sdev:\s*([0-9a-f]+)/;

function collectWatch(file: OpenFile, line: string, id: number): EventpollTfdEntry {
  const [, tfd = "0", events = "0", data = "0", pos = "0", inode = "0", dev = "0"] = WATCH.exec(line) ?? [];
  const watched = asTargetFd(Number(tfd));
  const { pid } = file.process;
  if (readFdLink(pid, watched) === undefined || readFdinfo(pid, watched)?.inode !== BigInt(`0x${inode}`)) {
    throw refuseFile(
      file.subject,
      `it watches what was descriptor ${tfd} when it was added, which is closed or another file now`,
      "remove the watch before closing",
    );
  }
  return create(EventpollTfdEntrySchema, {
    id,
    tfd: watched,
    events: Number.parseInt(events, 16),
    data: BigInt(`0x${data}`),
    pos: BigInt.asUintN(64, BigInt(pos)),
    inode: BigInt(`0x${inode}`),
    dev: Number.parseInt(dev, 16),
  });
}
