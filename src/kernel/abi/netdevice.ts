// Network interfaces: netdevice(7); include/uapi/linux/if.h, sockios.h
import { bytes, i32, struct, u16 } from "../declare/struct.js";

export const IFNAMSIZ = 16;
export const SIOCGIFNAME = 0x8910;
export const SIOCGIFINDEX = 0x8933;

const ifr_name = [0, bytes(IFNAMSIZ)] as const;
/** The second member is a union. */
export const ifreq = struct("ifreq", 40, { ifr_name, ifr_ifindex: [16, i32] });
export const ifreqFlags = struct("ifreq", 40, { ifr_name, ifr_flags: [16, u16] });
