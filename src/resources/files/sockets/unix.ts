// Unix sockets: unix(7). So far one of them: the connection over which a process asks for its own dump. It is saved as closed; the
// restored process finds a new one in its place, with the answer to its request waiting.
import { create } from "@bufbuild/protobuf";
import { SkOptsEntrySchema, UnixSkEntrySchema } from "../../../images/format/entries.js";
import { UnixSocketFlag } from "../../../images/format/numbers.js";
import { AF_UNIX, SO_TYPE, SOL_SOCKET } from "../../../kernel/abi/socket.js";
import type { Fd } from "../../../kernel/brand.js";
import { peerOfUnixSocket } from "../../../kernel/netlink/unix-diag.js";
import { newSocketPair, sendPacket } from "../../../kernel/packets.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { FileKind } from "../../kind.js";
import { refuseFile } from "../refuse.js";

const SO_DOMAIN = 39;
const TCP_CLOSE = 7;

/** A criurpc answer: type DUMP, success, dump.restored. test/protocol compares it with what the protocol layer encodes. */
export const RESTORED_ANSWER = Uint8Array.from([0x08, 0x01, 0x10, 0x01, 0x1a, 0x02, 0x08, 0x01]);

export const unixSocket: FileKind<"usk"> = {
  support: "full",
  type: "UNIXSK",
  field: "usk",
  summary: "sockets, socket(2)",
  signatures: [{ mode: "socket" }],
  limits: ["only the connection over which a process asks for its own dump; all other sockets are refused"],

  collect(file, common, { serviceSocket }) {
    const inode = Number(file.stat.ino);
    const isService =
      serviceSocket !== undefined &&
      socketOption(file.duplicate, SO_DOMAIN) === AF_UNIX &&
      peerOfUnixSocket(inode) === Number(serviceSocket);
    if (!isService)
      throw refuseFile(file.subject, "sockets are not supported yet", "have the program close it before the dump");
    return create(UnixSkEntrySchema, {
      ...common,
      ino: inode,
      type: socketOption(file.duplicate, SO_TYPE),
      state: TCP_CLOSE,
      uflags: UnixSocketFlag.SERVICE,
      backlog: 0,
      peer: 0,
      opts: create(SkOptsEntrySchema, {
        soSndbuf: 0,
        soRcvbuf: 0,
        soSndTmoSec: 0n,
        soSndTmoUsec: 0n,
        soRcvTmoSec: 0n,
        soRcvTmoUsec: 0n,
      }),
      name: new Uint8Array(),
    });
  },

  open({ uflags, id }, { scope }) {
    if ((uflags & UnixSocketFlag.SERVICE) === 0) throw unsupported(id);
    const [kept, other] = newSocketPair();
    sendPacket(other.fd, RESTORED_ANSWER);
    // Closed when all is in place: what was sent stays readable, and then comes the end of file.
    scope.use(other);
    return kept.release();
  },
};

function socketOption(socket: Fd, option: number): number {
  const value = new Uint8Array(4);
  const length = new Uint8Array(Uint32Array.of(4).buffer);
  sys.getsockopt(socket, SOL_SOCKET, option, value, length);
  return new DataView(value.buffer).getInt32(0, true);
}

function unsupported(id: number): StasisError {
  return new StasisError({
    code: "IMAGE_INVALID",
    doing: "restore the file",
    subject: { kind: "image", file: "files.img" },
    reason: `file ${id} is a unix socket, which is not supported yet`,
  });
}
