// Sets of watched descriptors: epoll(7). fdinfo: fs/eventpoll.c, ep_show_fdinfo(). The kernel knows a watch by file and descriptor number
// of the task that added it, so it is added again inside such a task. The number may be closed or another file by now: then kcmp(2)
// tells by which descriptor the file is open.
import { create, isFieldSet } from "@bufbuild/protobuf";
import {
  EventpollFileEntrySchema,
  type EventpollTfdEntry,
  EventpollTfdEntrySchema,
} from "../../images/format/entries.js";
import { invalid } from "../../images/format/fault.js";
import { epoll_event } from "../../kernel/abi/epoll.js";
import { O } from "../../kernel/abi/fcntl.js";
import { KCMP } from "../../kernel/abi/process.js";
import { asPid, asTargetFd, type Pid, type TargetFd } from "../../kernel/brand.js";
import { unless } from "../../kernel/errno.js";
import { sys } from "../../kernel/syscalls.js";
import type { Inside } from "../../tracee/inside.js";
import type { Descriptor, DumpContext, FileKind, OpenFile, RestoredTable } from "../kind.js";
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
    "a watch on a file that no process of the tree has open is refused",
    "a watch for one shot that was used up is armed for errors and hangups again, unless its file is ready",
  ],

  collect(file, common, context) {
    const tfd = (file.fdinfo?.fields.get("tfd") ?? []).map((line) => parseWatch(line, common.id));
    context.once(EpollWatches).note(file, tfd);
    return create(EventpollFileEntrySchema, { ...common, tfd });
  },

  open({ flags }) {
    return sys.epoll_create1((flags & O.O_CLOEXEC) | O.O_CLOEXEC);
  },

  settle({ id, tfd }, tables) {
    const holder = tables.find((table) => numberOf(table, id) !== undefined);
    for (const watch of tfd.filter(isUsedUp)) add(id, watch, tables, holder);
    for (const watch of tfd.filter((one) => !isUsedUp(one))) add(id, watch, tables, holder);
  },
};

/** "       19 events:       19 data:               13  pos:0 ino:405 sdev:d" */
const WATCH =
  /^\s*(\d+)\s+events:\s*([0-9a-f]+)\s+data:\s*([0-9a-f]+)\s+pos:\s*(-?\d+)\s+ino:\s*([0-9a-f]+)\s+sdev:\s*([0-9a-f]+)/;

function parseWatch(line: string, id: number): EventpollTfdEntry {
  const [, tfd = "0", events = "0", data = "0", pos = "0", inode = "0", dev = "0"] = WATCH.exec(line) ?? [];
  return create(EventpollTfdEntrySchema, {
    id,
    tfd: Number(tfd),
    events: Number.parseInt(events, 16),
    data: BigInt(`0x${data}`),
    pos: BigInt.asUintN(64, BigInt(pos)),
    inode: BigInt(`0x${inode}`),
    dev: Number.parseInt(dev, 16),
  });
}

/** A set, by the descriptor of it at which its watches can be asked for. */
interface NotedSet {
  readonly pid: Pid;
  readonly fd: TargetFd;
  readonly file: OpenFile;
  readonly watches: readonly EventpollTfdEntry[];
}

/** The sets of one dump: what they watch is looked for when all descriptors are known. */
export class EpollWatches {
  readonly #sets: NotedSet[] = [];

  constructor(private readonly context: DumpContext) {}

  note(file: OpenFile, watches: readonly EventpollTfdEntry[]): void {
    const { targetFd, duplicate, process: holder } = file;
    // One that is on its way in a socket is held by us.
    const at =
      targetFd === undefined
        ? { pid: asPid(process.pid), fd: asTargetFd(duplicate) }
        : { pid: holder.living, fd: targetFd };
    this.#sets.push({ ...at, file, watches });
  }

  find(): void {
    for (const set of this.#sets) {
      const before = new Map<number, number>();
      for (const watch of set.watches) {
        const number = watch.tfd;
        const toff = before.get(number) ?? 0;
        before.set(number, toff + 1);
        this.#find(set, watch, toff);
      }
    }
  }

  #find(set: NotedSet, watch: EventpollTfdEntry, toff: number): void {
    const slot = { efd: set.fd, tfd: watch.tfd, toff };
    const isIt = (pid: Pid, fd: number) =>
      unless(["EBADF", "ENOENT"], () => sys.kcmpWatch(pid, set.pid, KCMP.KCMP_EPOLL_TFD, fd, slot)) === 0;
    if (set.file.targetFd !== undefined && isIt(set.pid, watch.tfd)) return;
    const found = this.#candidates(set, watch).find(({ pid, fd }) => isIt(pid, fd));
    if (found === undefined)
      throw refuseFile(
        set.file.subject,
        `it watches what was descriptor ${watch.tfd} when it was added, a file that no process of the tree has open`,
        "remove the watch before closing",
      );
    if (found.pid === set.pid && set.file.targetFd !== undefined) watch.tfd = found.fd;
    else watch.watchedId = found.id;
  }

  /** Descriptors in the table of the set, then those under the old number, then all others. */
  #candidates(set: NotedSet, { inode = 0n, tfd }: EventpollTfdEntry): readonly Descriptor[] {
    const rank = ({ pid, fd }: Descriptor) => (pid === set.pid ? 0 : fd === tfd ? 1 : 2);
    return [...this.context.files.descriptorsOf(inode)].sort((a, b) => rank(a) - rank(b));
  }
}

/** EPOLLONESHOT after its shot: the kernel takes away all but the bits of its own (fs/eventpoll.c, EP_PRIVATE_BITS). */
const isUsedUp = ({ events }: EventpollTfdEntry) => (events & EPOLLONESHOT) !== 0 && (events & EPOLL_CONDITIONS) === 0;

/** Where a watch is added again. */
interface Place {
  readonly table: RestoredTable;
  /** The set's descriptor there; absent: it has to be borrowed. */
  readonly set: TargetFd | undefined;
  /** The same of the watched file. */
  readonly watched: TargetFd | undefined;
  readonly watchedId: number;
}

function add(id: number, watch: EventpollTfdEntry, tables: readonly RestoredTable[], holder?: RestoredTable): void {
  const { table, set, watched, watchedId } = placeFor(id, watch, tables, holder);
  const { inside } = table.thread;
  const borrow = <T>(known: TargetFd | undefined, fileId: number, use: (fd: TargetFd) => T): T =>
    known === undefined ? table.borrowing(fileId, use) : use(known);
  borrow(set, id, (epfd) => {
    const added = borrow(watched, watchedId, (fd) => addAs(inside, epfd, fd, watch));
    // Another watch of the same file has this number: under which one it was added nobody can tell any more.
    if (!added) table.borrowing(watchedId, (fd) => addAs(inside, epfd, fd, watch));
  });
}

/** The first task that has the set, by CRIU's images; by ours one that has the file under its number, or whichever. */
function placeFor(
  id: number,
  watch: EventpollTfdEntry,
  tables: readonly RestoredTable[],
  holder: RestoredTable | undefined,
): Place {
  const { tfd, watchedId: elsewhere } = watch;
  const isElsewhere = isFieldSet(watch, EventpollTfdEntrySchema.field.watchedId);
  const table = isElsewhere
    ? (tables.find(({ ids }) => ids.get(tfd) === elsewhere) ?? holder ?? tables[0])
    : (holder ?? tables.find(({ ids }) => ids.has(tfd)));
  const watchedId = isElsewhere ? elsewhere : table?.ids.get(tfd);
  if (table === undefined || watchedId === undefined)
    throw invalid({ file: "files.img" }, `file ${id} watches descriptor ${tfd}, which nobody has`);
  const watched = table.ids.get(tfd) === watchedId ? asTargetFd(tfd) : undefined;
  return { table, set: numberOf(table, id), watched, watchedId };
}

function numberOf({ ids }: RestoredTable, id: number): TargetFd | undefined {
  for (const [fd, fileId] of ids) if (fileId === id) return asTargetFd(fd);
  return undefined;
}

/** False: there is a watch of this file under this number. */
function addAs(inside: Inside, set: TargetFd, fd: TargetFd, watch: EventpollTfdEntry): boolean {
  const { events, data } = watch;
  if (!isUsedUp(watch)) return control(inside, set, EPOLL_CTL_ADD, fd, { events, data });
  // epoll_ctl(2) always adds EPOLLERR and EPOLLHUP, so only a shot can use a watch up: it is added for whatever may be there now. Where
  // nothing is, it stays armed for errors and hangups.
  if (!control(inside, set, EPOLL_CTL_ADD, fd, { events: EPOLLONESHOT | EPOLLIN | EPOLLOUT, data })) return false;
  using fired = inside.room(epoll_event.sizeBytes);
  if (inside.sys.epoll_wait(set, fired.at, 1, 0) === 0) control(inside, set, EPOLL_CTL_MOD, fd, { events, data });
  return true;
}

function control(
  inside: Inside,
  set: TargetFd,
  command: number,
  fd: TargetFd,
  { events, data }: Pick<EventpollTfdEntry, "events" | "data">,
): boolean {
  using event = inside.holding(epoll_event.encode({ events, data }));
  const added = unless("EEXIST", () => {
    inside.sys.epoll_ctl(set, command, fd, event.at);
    return true;
  });
  return added === true;
}
