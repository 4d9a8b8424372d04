// Unix sockets whose other end is outside of the tree: --ext-unix-sk, --external unix[INODE]. The images have an entry of the other end, with its name
// alone; a restore connects to that name again, or is given the socket by --inherit-fd. CRIU writes SOCK_DGRAM and TCP_LISTEN into it, whatever it is.
import { create } from "@bufbuild/protobuf";
import { SkOptsEntrySchema, type UnixSkEntry, UnixSkEntrySchema } from "../../../images/format/entries.js";
import { UnixSocketFlag } from "../../../images/format/numbers.js";
import { SOCK, TCP_LISTEN } from "../../../kernel/abi/socket.js";
import type { Fd } from "../../../kernel/brand.js";
import { SyscallError } from "../../../kernel/errno.js";
import type { UnixSocketState } from "../../../kernel/netlink/unix-diag.js";
import { connectToName, setNonBlocking } from "../../../kernel/packets.js";
import { StasisError, type Subject } from "../../../report/error.js";
import type { DumpContext, RestoreContext } from "../../kind.js";
import { NO_OWNER } from "../common.js";
import { refuseFile } from "../refuse.js";
import { isPath, pathOf, showName } from "./unix-name.js";

export const isOutside = ({ uflags }: UnixSkEntry): boolean => (uflags & UnixSocketFlag.EXTERN) !== 0;

interface Inner {
  readonly entry: UnixSkEntry;
  readonly state: UnixSocketState;
  readonly subject: Subject;
}

/** Throws StasisError unless an option lets the socket be dumped without its peer. */
export function checkOutside(
  { entry, state, subject }: Inner,
  peer: UnixSocketState | undefined,
  { externalUnix }: DumpContext["options"],
): void {
  const where = `it is connected to socket ${entry.peer}, which is outside of the tree`;
  const isDatagram = entry.type === SOCK.SOCK_DGRAM;
  if (externalUnix.inodes.has(entry.ino)) {
    if (isDatagram || state.receiveQueue === 0) return;
    throw refuseFile(subject, `${where}, and data waits in it that was not read`, "have the program read it");
  }
  const other = `pass --external unix[${entry.ino}] and, on the restore, --inherit-fd fd[N]:socket:[${entry.ino}], or dump the other program with it`;
  if (!isDatagram) throw refuseFile(subject, where, other);
  if (peer === undefined || !canBeFound(peer)) throw refuseFile(subject, `${where} and has no name`, other);
  if (!externalUnix.datagrams) throw refuseFile(subject, where, "pass --ext-unix-sk");
}

/** Of a relative path nobody tells where it belongs to. */
const canBeFound = ({ name }: Pick<UnixSocketState, "name">) =>
  name.byteLength > 0 && (!isPath(name) || pathOf(name).startsWith("/"));

const NO_TIME = { soSndTmoSec: 0n, soSndTmoUsec: 0n, soRcvTmoSec: 0n, soRcvTmoUsec: 0n };

export const outsideEntry = (id: number, ino: number, name: Uint8Array): UnixSkEntry =>
  create(UnixSkEntrySchema, {
    ...{ id, ino, name, type: SOCK.SOCK_DGRAM, state: TCP_LISTEN, flags: 0, uflags: UnixSocketFlag.EXTERN },
    ...{ backlog: 0, peer: 0, fown: NO_OWNER },
    opts: create(SkOptsEntrySchema, { ...NO_TIME, soSndbuf: 0, soRcvbuf: 0 }),
  });

/** Before anything is made. Throws StasisError when `peer`, outside, could not be connected to. */
export function validateOutside(entry: UnixSkEntry, peer: UnixSkEntry, { options }: RestoreContext): void {
  const inherit = `--inherit-fd fd[N]:socket:[${entry.ino}] with a socket for it`;
  if (!canBeFound(peer)) throw outside(entry, "has no name", `pass ${inherit}`);
  if (!options.externalUnix) throw outside(entry, "is outside of the tree", `pass --ext-unix-sk, or ${inherit}`);
}

/** Never waits: a listener whose backlog is full refuses with EAGAIN. */
export function connectOutside(socket: Fd, entry: UnixSkEntry, { name }: UnixSkEntry): void {
  try {
    setNonBlocking(socket);
    connectToName(socket, name);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw outside(entry, `, ${showName(name)}, does not let it connect (${cause.errno})`, "start that program first");
  }
}

function outside({ id }: UnixSkEntry, what: string, remedy: string): StasisError {
  return new StasisError({
    code: "FILE_UNSUPPORTED",
    doing: "restore the file",
    subject: { kind: "image", file: "files.img" },
    reason: `the other end of unix socket (file ${id})${what.startsWith(",") ? "" : " "}${what}`,
    remedy,
  });
}
