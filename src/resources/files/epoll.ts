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
import { asTargetFd, type TargetFd } from "../../kernel/brand.js";
import { unless } from "../../kernel/errno.js";
import { readFdinfo, readFdLink } from "../../kernel/proc/fdinfo.js";
import { sys } from "../../kernel/syscalls.js";
import type { Inside } from "../../tracee/inside.js";
import type { FileKind, OpenFile } from "../kind.js";
import { refuseFile } from "./refuse.js";

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_MOD = 3;
const EPOLLIN = 1;
const EPOLLOUT = 4;
const EPOLLONESHOT = 1 << 30;
/** All but EPOLLEXCLUSIVE, EPOLLWAKEUP, EPOLLONESHOT and EPOLLET. */
const EPOLL_CONDITIONS = 0x0fffffff;

export const epoll: FileKind<"epfd"> = {
  support: "full",
  type: "EVENTPOLL",
  field: "epfd",
  summary: "sets of watched descriptors, epoll(7)",
  signatures: [{ anonInode: "[eventpoll]" }],
  limits: [
    "a watch on a descriptor that was closed or replaced since is refused",
    "a watch for one shot that was used up is armed for errors and hangups again, unless its file is ready",
  ],

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
    // A watch that another task has is left to that one: the dump found it there.
    const mine = tfd.filter(({ tfd: watched }) => table.has(watched));
    for (const watch of mine.filter(isUsedUp)) addUsedUp(inside, targetFd, watch);
    for (const watch of mine.filter((one) => !isUsedUp(one)))
      control(inside, targetFd, EPOLL_CTL_ADD, watch.tfd, watch);
  },
};

type Watch = Pick<EventpollTfdEntry, "events" | "data">;

/** EEXIST: another task that shares the set has done it. */
function control(inside: Inside, set: TargetFd, command: number, watched: number, { events, data }: Watch): void {
  using event = inside.holding(epoll_event.encode({ events, data }));
  unless("EEXIST", () => inside.sys.epoll_ctl(set, command, asTargetFd(watched), event.at));
}

/** EPOLLONESHOT after its shot: the kernel takes away all but the bits of its own (fs/eventpoll.c, EP_PRIVATE_BITS). */
const isUsedUp = ({ events }: Watch) => (events & EPOLLONESHOT) !== 0 && (events & EPOLL_CONDITIONS) === 0;

/**
 * epoll_ctl(2) always adds EPOLLERR and EPOLLHUP, so only a shot can use a watch up: it is added for whatever may be there now. Where nothing
 * is, it stays armed for errors and hangups.
 */
function addUsedUp(inside: Inside, set: TargetFd, { tfd, events, data }: EventpollTfdEntry): void {
  control(inside, set, EPOLL_CTL_ADD, tfd, { events: EPOLLONESHOT | EPOLLIN | EPOLLOUT, data });
  using fired = inside.room(epoll_event.sizeBytes);
  if (inside.sys.epoll_wait(set, fired.at, 1, 0) === 0) control(inside, set, EPOLL_CTL_MOD, tfd, { events, data });
}

/** "       19 events:       19 data:               13  pos:0 ino:405 sdev:d" */
const WATCH =
  /^\s*(\d+)\s+events:\s*([0-9a-f]+)\s+data:\s*([0-9a-f]+)\s+pos:\s*(-?\d+)\s+ino:\s*([0-9a-f]+)\s+sdev:\s*([0-9a-f]+)/;

function collectWatch(file: OpenFile, line: string, id: number): EventpollTfdEntry {
  const [, tfd = "0", events = "0", data = "0", pos = "0", inode = "0", dev = "0"] = WATCH.exec(line) ?? [];
  const watched = asTargetFd(Number(tfd));
  const { living } = file.process;
  if (readFdLink(living, watched) === undefined || readFdinfo(living, watched)?.inode !== BigInt(`0x${inode}`)) {
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
