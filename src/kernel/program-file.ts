// A program that we have put together, as a file that can be started: in memory, with no name anywhere.
import { O } from "./abi/fcntl.js";
import { MFD } from "./abi/mman.js";
import { AT_FDCWD, type Fd } from "./brand.js";
import { SyscallError, unless } from "./errno.js";
import { memoryDirectory } from "./memory-directory.js";
import { type OwnFd, own } from "./own-fd.js";
import { sys } from "./syscalls.js";

const ONLY_OURS = 0o700;

/** Throws SyscallError. `name`: what /proc/PID/exe shows where it is a memfd. */
export function programFile(name: string, image: Uint8Array): OwnFd {
  const memfd = executableMemfd(name);
  if (memfd === undefined) return fileOfTmpfs(image);
  write(memfd.fd, image);
  return memfd;
}

/** Undefined: memfds may not be executed here, vm.memfd_noexec of proc_sys_vm(5). */
function executableMemfd(name: string): OwnFd | undefined {
  try {
    // Before kernel 6.3 there is no such flag, and every memfd can be executed.
    const fd = unless("EINVAL", () => sys.memfd_create(name, MFD.MFD_CLOEXEC | MFD.MFD_EXEC));
    return own(fd ?? sys.memfd_create(name, MFD.MFD_CLOEXEC));
  } catch (error) {
    if (error instanceof SyscallError && error.errno === "EACCES") return undefined;
    throw error;
  }
}

/** Opened once more: execve(2) refuses what somebody may write to (ETXTBSY), but for a memfd. */
function fileOfTmpfs(image: Uint8Array): OwnFd {
  using directory = memoryDirectory();
  using written = own(sys.openat(directory.fd, ".", O.O_TMPFILE | O.O_RDWR | O.O_CLOEXEC, ONLY_OURS));
  write(written.fd, image);
  return own(sys.openat(AT_FDCWD, `/proc/self/fd/${written.fd}`, O.O_CLOEXEC, 0));
}

function write(file: Fd, image: Uint8Array): void {
  const count = sys.write(file, image, image.byteLength);
  if (count !== image.byteLength) throw new RangeError(`${count} of ${image.byteLength} bytes went into memory`);
}
