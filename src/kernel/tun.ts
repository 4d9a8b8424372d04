// TUN and TAP interfaces, and the descriptors of /dev/net/tun that are their queues. drivers/net/tun.c
import { readFileSync } from "node:fs";
import { ifreqFlags } from "./abi/netdevice.js";
import { IFF, TUN } from "./abi/tun.js";
import type { Fd } from "./brand.js";
import { unless } from "./errno.js";
import { nameBytes, nameIn } from "./interface-name.js";
import { sys } from "./syscalls.js";

export interface TunQueue {
  /** Of its interface. */
  readonly name: string;
  /** IFF_*, as TUNGETIFF tells them. */
  readonly flags: number;
}

/** Undefined: it is not attached to an interface. */
export function tunQueue(file: Fd): TunQueue | undefined {
  const request = requestFor("", 0);
  return unless("EBADFD", () => {
    sys.ioctl(file, TUN.TUNGETIFF, request);
    const { ifr_name, ifr_flags } = ifreqFlags.decode(request);
    return { name: nameIn(ifr_name), flags: ifr_flags };
  });
}

/** Makes the file a queue of an interface; `flags` are those of the interface. Throws SyscallError. */
export function attachTun(file: Fd, { name, flags }: TunQueue): void {
  sys.ioctl(file, TUN.TUNSETIFF, requestFor(name, flags & ~(IFF.IFF_PERSIST | IFF.IFF_DETACH_QUEUE)));
}

/** The interface sends to its other queues alone. Throws SyscallError. */
export function detachQueue(file: Fd): void {
  sys.ioctl(file, TUN.TUNSETQUEUE, requestFor("", IFF.IFF_DETACH_QUEUE));
}

/** IFF_* of an interface; undefined: there is none of this name in the network namespace of /sys, or it is another kind of interface. */
export function tunFlags(name: string): number | undefined {
  try {
    return Number(readFileSync(`/sys/class/net/${name}/tun_flags`, "latin1"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

const requestFor = (name: string, flags: number): Uint8Array =>
  ifreqFlags.encode({ ifr_name: nameBytes(name), ifr_flags: flags });
