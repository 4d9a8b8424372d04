// Names and numbers of network interfaces, in the network namespace of a socket: netdevice(7), SIOCGIFNAME, SIOCGIFINDEX.
import { IFNAMSIZ, ifreq, SIOCGIFINDEX, SIOCGIFNAME } from "./abi/netdevice.js";
import type { Fd } from "./brand.js";
import { unless } from "./errno.js";
import { sys } from "./syscalls.js";

/** Undefined: there is none with this number. */
export function interfaceName(socket: Fd, index: number): string | undefined {
  const request = ifreq.encode({ ifr_name: nameBytes(""), ifr_ifindex: index });
  return unless("ENODEV", () => {
    sys.ioctl(socket, SIOCGIFNAME, request);
    return nameIn(ifreq.decode(request).ifr_name);
  });
}

/** Undefined: there is none with this name. */
export function interfaceIndex(socket: Fd, name: string): number | undefined {
  const request = ifreq.encode({ ifr_name: nameBytes(name), ifr_ifindex: 0 });
  return unless("ENODEV", () => {
    sys.ioctl(socket, SIOCGIFINDEX, request);
    return ifreq.decode(request).ifr_ifindex;
  });
}

/** As it stands in a struct ifreq: ended by a NUL, which a longer one loses its end for. */
export function nameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(IFNAMSIZ);
  bytes.set(Buffer.from(name, "latin1").subarray(0, IFNAMSIZ - 1));
  return bytes;
}

export const nameIn = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1").replace(/\0.*$/s, "");
