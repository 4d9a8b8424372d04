// The memory of a target: /proc/PID/mem, proc_pid_mem(5). Writes go through read-only pages too (FOLL_FORCE).
import { O } from "../kernel/abi/fcntl.js";
import { type Address, AT_FDCWD, type Fd, type Pid } from "../kernel/brand.js";
import { sys } from "../kernel/syscalls.js";

/** Reads and writes memory of one process; holds one descriptor until disposed. */
export class TargetMemory implements Disposable {
  readonly fd: Fd;

  constructor(pid: Pid) {
    this.fd = sys.openat(AT_FDCWD, `/proc/${pid}/mem`, O.O_RDWR | O.O_CLOEXEC, 0);
  }

  /** Throws SyscallError EIO where nothing is mapped. */
  read(address: Address, lengthBytes: number): Uint8Array {
    const bytes = new Uint8Array(lengthBytes);
    this.readInto(address, bytes);
    return bytes;
  }

  readInto(address: Address, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.byteLength; ) {
      const count = sys.pread64(this.fd, bytes.subarray(done), bytes.byteLength - done, address + BigInt(done));
      if (count === 0) throw new RangeError(`memory at ${address.toString(16)} ends`);
      done += count;
    }
  }

  write(address: Address, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.byteLength; ) {
      done += sys.pwrite64(this.fd, bytes.subarray(done), bytes.byteLength - done, address + BigInt(done));
    }
  }

  readU64(address: Address): bigint {
    return new DataView(this.read(address, 8).buffer).getBigUint64(0, true);
  }

  /** Once is enough: the number may be somebody else's by the second time. */
  [Symbol.dispose](): void {
    if (this.#isOpen) sys.close(this.fd);
    this.#isOpen = false;
  }
  #isOpen = true;
}
