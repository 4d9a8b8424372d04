// THE registry of open files: every kind that an image can name has its row. Forgetting one does not compile.
import type { FdType } from "../images/format/entries.js";
import { O } from "../kernel/abi/fcntl.js";
import { readSocketKind } from "../kernel/socket-options.js";
import { bpfMap } from "./files/bpf-map.js";
import { epoll } from "./files/epoll.js";
import { eventfd } from "./files/eventfd.js";
import { fifo } from "./files/fifo.js";
import { memfd } from "./files/memfd.js";
import { namespaceFile } from "./files/namespace.js";
import { pidfd } from "./files/pidfd.js";
import { pipe } from "./files/pipe.js";
import { regular } from "./files/regular/regular.js";
import { signalfd } from "./files/signalfd.js";
import { inetSocket } from "./files/sockets/inet.js";
import { netlinkSocket } from "./files/sockets/netlink.js";
import { packetSocket } from "./files/sockets/packet.js";
import { unixSocket } from "./files/sockets/unix.js";
import { timerfd } from "./files/timerfd.js";
import { isTerminal, majorOf } from "./files/tty/devices.js";
import { tty } from "./files/tty/tty.js";
import { tun } from "./files/tun.js";
import { fanotify } from "./files/watches/fanotify.js";
import { inotify } from "./files/watches/inotify.js";
import type { FileKind, FileMode, OpenFile, RefusedKind, Signature } from "./kind.js";

const CLOSE_IT = "have the program close it before the dump";
const nameless = (summary: string, ...signatures: Signature[]): RefusedKind => ({
  support: "refused",
  summary,
  signatures,
  remedy: CLOSE_IT,
});
const refused = (type: RefusedKind["type"], summary: string, ...signatures: Signature[]) => ({
  ...nameless(summary, ...signatures),
  ...(type && { type }),
});

// biome-ignore lint/suspicious/noExplicitAny: kinds of different entries in one table have no narrower common type
export type AnyFileKind = FileKind<any>;
export type AnyKind = AnyFileKind | RefusedKind;

/** Names of FdType that are never stored. */
type Unstored = "UND" | "CTL_TTY" | "AUTOFS_PIPE";

export const fileKinds = {
  BPFMAP: bpfMap,
  EVENTFD: eventfd,
  EVENTPOLL: epoll,
  EXT: refused("EXT", "files that a plugin handles"),
  FANOTIFY: fanotify,
  FIFO: fifo,
  INETSK: inetSocket,
  INOTIFY: inotify,
  MEMFD: memfd,
  NETLINKSK: netlinkSocket,
  NS: namespaceFile,
  PACKETSK: packetSocket,
  PIDFD: pidfd,
  PIPE: pipe,
  REG: regular,
  SIGNALFD: signalfd,
  TIMERFD: timerfd,
  TTY: tty,
  TUNF: tun,
  UNIXSK: unixSocket,
} as const satisfies Record<Exclude<keyof typeof FdType, Unstored>, AnyKind>;

/** Kinds that the image format has no name for. */
export const namelessKinds: readonly RefusedKind[] = [
  nameless("BPF programs and links, bpf(2)", { anonInode: "bpf-prog" }, { anonInode: "bpf_link" }),
  nameless("files of file system contexts, fsopen(2)", { anonInode: "[fscontext]" }),
  nameless("KVM machines and their processors", { anonInode: "kvm-vm" }, { anonInode: "kvm-vcpu:0" }),
  nameless("Landlock rulesets, landlock_create_ruleset(2)", { anonInode: "[landlock-ruleset]" }),
  nameless("performance counters, perf_event_open(2)", { anonInode: "[perf_event]" }),
  nameless("rings of io_uring(7)", { anonInode: "[io_uring]" }),
  nameless("seccomp listeners, seccomp_unotify(2)", { anonInode: "seccomp notify" }),
  nameless("handlers of page faults, userfaultfd(2)", { anonInode: "[userfaultfd]" }),
];

/** The kind with this name in an image; undefined: none. */
export function kindNamed(type: string): AnyKind | undefined {
  return (fileKinds as Readonly<Record<string, AnyKind>>)[type];
}

/** The kind of an open file: the most particular signature wins, one with a link or device before one without. */
export function recognise(file: OpenFile): AnyKind | undefined {
  if (file.link.startsWith(ANONYMOUS)) return byAnonInode.get(file.link.slice(ANONYMOUS.length));
  const mode = modeOf(file);
  if (mode !== undefined && isHeldByPath(file, mode)) return regular;
  if (mode === "socket") return byFamily.get((file.socket ?? readSocketKind(file.duplicate)).family);
  const { particular = [], general } = (mode && byMode.get(mode)) ?? {};
  return particular.find(({ signature }) => matches(signature, file))?.kind ?? general;
}
const ANONYMOUS = "anon_inode:";

/** Opened with O_PATH, open(2): a place in the file system and no more, whatever is there. Of terminals the kind itself says that it is not supported. */
function isHeldByPath({ fdinfo, link, stat }: OpenFile, mode: FileMode): boolean {
  if (((fdinfo?.flags ?? 0) & O.O_PATH) === 0 || !link.startsWith("/")) return false;
  return mode === "socket" || mode === "fifo" || mode === "block" || (mode === "character" && !isTerminal(stat));
}

type OfMode = Extract<Signature, { readonly mode: FileMode }>;
interface Claims {
  readonly particular: { readonly signature: OfMode; readonly kind: AnyKind }[];
  general?: AnyKind;
}
const byAnonInode = new Map<string, AnyKind>();
const byFamily = new Map<number, AnyKind>();
const byMode = new Map<FileMode, Claims>();
for (const kind of [...Object.values<AnyKind>(fileKinds), ...namelessKinds])
  for (const signature of kind.signatures) {
    if ("anonInode" in signature) byAnonInode.set(signature.anonInode, kind);
    else if ("socket" in signature) for (const family of signature.socket) byFamily.set(family, kind);
    else claim(signature, kind);
  }

function claim(signature: OfMode, kind: AnyKind): void {
  const claims = byMode.get(signature.mode) ?? { particular: [] };
  byMode.set(signature.mode, claims);
  const isGeneral = signature.link === undefined && signature.majors === undefined;
  if (isGeneral) claims.general ??= kind;
  else claims.particular.push({ signature, kind });
}

function matches(signature: OfMode, file: OpenFile): boolean {
  if (signature.majors !== undefined) return signature.majors.includes(majorOf(file.stat.rdev));
  return signature.link?.test(file.link) === true;
}

/** The type bits of st_mode: inode(7). */
const modes: ReadonlyMap<number, FileMode> = new Map([
  [0o010000, "fifo"],
  [0o020000, "character"],
  [0o040000, "directory"],
  [0o060000, "block"],
  [0o100000, "regular"],
  [0o120000, "symlink"],
  [0o140000, "socket"],
]);
/** Anonymous inodes have no type bits at all. */
export function modeOf({ stat }: OpenFile): FileMode | undefined {
  return modes.get(Number(stat.mode) & 0o170000);
}
