// What older CRIUs kept in images of their own, as today's messages: each kind of open file until 3.4, watches and
// targets apart from their file, signal actions outside of core. History: CRIU 2.0 to 3.4, criu/image-desc.c.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ImageDirectory } from "./directory.js";
import { type CoreEntry, FdType, type FileEntry, FileEntrySchema, type SaEntry } from "./format/entries.js";
import type { EntryOf, RecordName } from "./format/magic.js";

type Contents = Omit<MessageInitShape<typeof FileEntrySchema>, "$typeName" | "type" | "id">;

/** All open file descriptions of a dump, from files.img or from the images that were before it. */
export function readFiles(images: ImageDirectory): FileEntry[] {
  return joined(images.has("files", undefined) ? images.read("files", undefined) : readOldFiles(images));
}

/** A tun file has two entries of one number: a regular one for its path, and its own. They become one. */
function joined(entries: FileEntry[]): FileEntry[] {
  const tunFiles = new Map(entries.filter(({ type }) => type === FdType.TUNF).map((entry) => [entry.id, entry]));
  if (tunFiles.size === 0) return entries;
  return entries.filter((entry) => {
    const tunFile = entry.type === FdType.REG ? tunFiles.get(entry.id) : undefined;
    if (tunFile !== undefined && entry.reg !== undefined) tunFile.reg = entry.reg;
    return tunFile === undefined;
  });
}

function readOldFiles(images: ImageDirectory): FileEntry[] {
  /** The entries of one old image, each put where files.img has it. */
  const from = <N extends RecordName>(
    name: N,
    type: FdType,
    contents: (entry: EntryOf<N>) => Contents & { id: number },
  ) => images.read(name, undefined).map((entry) => create(FileEntrySchema, { type, ...contents(entry) }));
  const targets = byId(images.read("eventpoll-tfd", undefined));
  const watches = byId(images.read("inotify-wd", undefined));
  const marks = byId(images.read("fanotify-mark", undefined));
  return [
    ...from("reg-files", FdType.REG, (reg) => ({ id: reg.id, reg })),
    ...from("ext-files", FdType.EXT, (ext) => ({ id: ext.id, ext })),
    ...from("ns-files", FdType.NS, (nsf) => ({ id: nsf.id, nsf })),
    ...from("eventfd", FdType.EVENTFD, (efd) => ({ id: efd.id, efd })),
    ...from("eventpoll", FdType.EVENTPOLL, (epfd) => {
      epfd.tfd = epfd.tfd.concat(targets(epfd.id));
      return { id: epfd.id, epfd };
    }),
    ...from("signalfd", FdType.SIGNALFD, (sgfd) => ({ id: sgfd.id, sgfd })),
    ...from("timerfd", FdType.TIMERFD, (tfd) => ({ id: tfd.id, tfd })),
    ...from("inotify", FdType.INOTIFY, (ify) => {
      ify.wd = ify.wd.concat(watches(ify.id));
      return { id: ify.id, ify };
    }),
    ...from("fanotify", FdType.FANOTIFY, (ffy) => {
      ffy.mark = ffy.mark.concat(marks(ffy.id));
      return { id: ffy.id, ffy };
    }),
    ...from("pipes", FdType.PIPE, (pipe) => ({ id: pipe.id, pipe })),
    ...from("fifo", FdType.FIFO, (fifo) => ({ id: fifo.id, fifo })),
    ...from("unixsk", FdType.UNIXSK, (usk) => ({ id: usk.id, usk })),
    ...from("inetsk", FdType.INETSK, (isk) => ({ id: isk.id, isk })),
    ...from("packetsk", FdType.PACKETSK, (psk) => ({ id: psk.id, psk })),
    ...from("netlinksk", FdType.NETLINKSK, (nlsk) => ({ id: nlsk.id, nlsk })),
    ...from("tunfile", FdType.TUNF, (tunf) => ({ id: tunf.id, tunf })),
    ...from("tty", FdType.TTY, (tty) => ({ id: tty.id, tty })),
  ];
}

function byId<T extends { readonly id: number }>(entries: readonly T[]): (id: number) => readonly T[] {
  const groups = new Map<number, T[]>();
  for (const entry of entries) {
    const group = groups.get(entry.id);
    if (group) group.push(entry);
    else groups.set(entry.id, [entry]);
  }
  return (id) => groups.get(id) ?? [];
}

/** One for each signal from 1 to 64 but SIGKILL and SIGSTOP, in this order. */
export function readSignalActions(images: ImageDirectory, pid: number, core: CoreEntry): readonly SaEntry[] {
  const inCore = core.tc?.sigactions ?? [];
  return inCore.length > 0 ? inCore : images.read("sigacts", pid);
}
