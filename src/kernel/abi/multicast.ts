// Multicast by protocol-independent calls: RFC 3678, ip(7), ipv6(7); include/uapi/linux/in.h
import { bytes, struct, u32 } from "../declare/struct.js";

/** Of SOL_IP and SOL_IPV6 alike. */
export const MCAST = { JOIN_GROUP: 42, MSFILTER: 48 } as const;
export const MCAST_EXCLUDE = 0;
export const SOCKADDR_STORAGE_BYTES = 128;

export const group_req = struct("group_req", 136, {
  gr_interface: [0, u32],
  gr_group: [8, bytes(SOCKADDR_STORAGE_BYTES)],
});
/** With room for one source. */
export const group_filter = struct("group_filter", 272, {
  gf_interface: [0, u32],
  gf_group: [8, bytes(SOCKADDR_STORAGE_BYTES)],
  gf_fmode: [136, u32],
  gf_numsrc: [140, u32],
  gf_slist: [144, bytes(SOCKADDR_STORAGE_BYTES)],
});
/** GROUP_FILTER_SIZE(sources) */
export const groupFilterBytes = (sources: number): number => 144 + sources * SOCKADDR_STORAGE_BYTES;
