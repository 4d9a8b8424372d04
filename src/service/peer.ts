// The process at the other end of the socket: who it is, and its descriptors. unix(7), pidfd_getfd(2)
import { fstatSync } from "node:fs";
import { O, O_RDONLY } from "../kernel/abi/fcntl.js";
import { AT_FDCWD, asTargetFd, type Fd, type Pid } from "../kernel/brand.js";
import { SyscallError } from "../kernel/errno.js";
import { type OwnFd, own } from "../kernel/own-fd.js";
import { peerCredentials, peerGroups, peerPidfd } from "../kernel/packets.js";
import { sys } from "../kernel/syscalls.js";
import { StasisError } from "../report/error.js";

/** Why pidfd_getfd(2) or open(2) failed, for people. */
const reasons: Readonly<Record<string, string>> = {
  EBADF: "the client has no such descriptor open",
  ESRCH: "the client is gone",
  EPERM: "we may not look into the client",
  ENOTDIR: "it is no directory",
};

export class Peer implements Disposable {
  readonly pid: Pid;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Of our end of the connection: by it the engine tells the client's end among the files of a client that dumps itself. */
  readonly socketInode: bigint;
  /** Taken when the connection was made, so that a later process with the same pid is not mistaken for it. */
  readonly #pidfd: OwnFd | undefined;

  constructor(socket: Fd) {
    const { pid, uid, gid } = peerCredentials(socket);
    this.pid = pid;
    this.uid = uid;
    this.gid = gid;
    this.groups = peerGroups(socket);
    this.socketInode = fstatSync(socket, { bigint: true }).ino;
    this.#pidfd = peerPidfd(socket);
  }

  /** A duplicate of a descriptor of the client. `option` names it in the sentence. @throws StasisError OPTION_INVALID */
  descriptor(fd: number, option: string): OwnFd {
    return this.#explained(option, () => {
      if (this.#pidfd === undefined) throw new SyscallError("getsockopt", ESRCH, ["SO_PEERPIDFD"]);
      if (fd < 0) throw new SyscallError("pidfd_getfd", EBADF, [String(fd)]);
      return own(sys.pidfd_getfd(this.#pidfd.fd, asTargetFd(fd), 0));
    });
  }

  /** A directory that the client has open, as a descriptor with a position and flags of its own. @throws StasisError OPTION_INVALID */
  directory(fd: number, option: string): OwnFd {
    using duplicate = this.descriptor(fd, option);
    const path = `/proc/self/fd/${duplicate.fd}`;
    return this.#explained(option, () => own(sys.openat(AT_FDCWD, path, O_RDONLY | O.O_DIRECTORY | O.O_CLOEXEC, 0)));
  }

  #explained<T>(option: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      const reason = reasons[error.errno] ?? error.message;
      throw new StasisError({
        code: "OPTION_INVALID",
        doing: "use",
        subject: { kind: "option", name: option },
        reason,
        cause: error,
      });
    }
  }

  [Symbol.dispose](): void {
    this.#pidfd?.[Symbol.dispose]();
  }
}

const ESRCH = 3;
const EBADF = 9;
