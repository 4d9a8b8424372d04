// Names and numbers of network interfaces, in the network namespace of a socket: netdevice(7), SIOCGIFNAME, SIOCGIFINDEX.
import { ifreq, SIOCGIFINDEX, SIOCGIFNAME } from "./abi/netdevice.js";
import type { Fd } from "./brand.js";
import { unless } from "./errno.js";
import { sys } from "./syscalls.js";

/** Undefined: there is none with this number. */
export function interfaceName(socket: Fd, index: number): string | undefined {
  const request = ifreq.encode({ ifr_name: new Uint8Array(16), ifr_ifindex: index });
  return unless("ENODEV", () => {
    sys.ioctl(socket, SIOCGIFNAME, request);
    return Buffer.from(ifreq.decode(request).ifr_name).toString("latin1").replace(/\0.*$/s, "");
  });
}

/** Undefined: there is none with this name. */
export function interfaceIndex(socket: Fd, name: string): number | undefined {
  const ifr_name = new Uint8Array(16);
  ifr_name.set(Buffer.from(name, "latin1").subarray(0, 15));
  const request = ifreq.encode({ ifr_name, ifr_ifindex: 0 });
  return unless("ENODEV", () => {
    sys.ioctl(socket, SIOCGIFINDEX, request);
    return ifreq.decode(request).ifr_ifindex;
  });
}
