// Internet sockets: ip(7), ipv6(7), udp(7), raw(7), icmp(7); include/uapi/linux/in.h, in6.h, udp.h, icmp.h, icmpv6.h
import { be16, bytes, struct, u16, u32 } from "../declare/struct.js";

export const AF_INET = 2;
export const AF_INET6 = 10;
export const IPPROTO = {
  IP: 0,
  ICMP: 1,
  TCP: 6,
  UDP: 17,
  IPV6: 41,
  ICMPV6: 58,
  SCTP: 132,
  UDPLITE: 136,
  RAW: 255,
  MPTCP: 262,
};
export const SOL_IP = 0;
export const SOL_TCP = 6;
export const SOL_UDP = 17;
export const SOL_IPV6 = 41;
export const SOL_ICMPV6 = 58;
export const SOL_UDPLITE = 136;
export const SOL_RAW = 255;

export const IP = {
  TOS: 1,
  TTL: 2,
  HDRINCL: 3,
  OPTIONS: 4,
  RECVOPTS: 6,
  RETOPTS: 7,
  PKTINFO: 8,
  MTU_DISCOVER: 10,
  RECVERR: 11,
  RECVTTL: 12,
  RECVTOS: 13,
  FREEBIND: 15,
  PASSSEC: 18,
  TRANSPARENT: 19,
  RECVORIGDSTADDR: 20,
  MINTTL: 21,
  NODEFRAG: 22,
  CHECKSUM: 23,
  BIND_ADDRESS_NO_PORT: 24,
  RECVFRAGSIZE: 25,
  RECVERR_RFC4884: 26,
  MULTICAST_TTL: 33,
  MULTICAST_LOOP: 34,
  MULTICAST_ALL: 49,
  UNICAST_IF: 50,
  LOCAL_PORT_RANGE: 51,
} as const;
export const IPV6 = {
  CHECKSUM: 7,
  UNICAST_HOPS: 16,
  MULTICAST_IF: 17,
  MULTICAST_HOPS: 18,
  MULTICAST_LOOP: 19,
  MTU_DISCOVER: 23,
  RECVERR: 25,
  V6ONLY: 26,
  MULTICAST_ALL: 29,
  RECVERR_RFC4884: 31,
  HDRINCL: 36,
  RECVPKTINFO: 49,
  PKTINFO: 50,
  RECVHOPLIMIT: 51,
  RECVHOPOPTS: 53,
  RECVRTHDR: 56,
  RECVDSTOPTS: 58,
  RECVPATHMTU: 60,
  DONTFRAG: 62,
  RECVTCLASS: 66,
  TCLASS: 67,
  AUTOFLOWLABEL: 70,
  ADDR_PREFERENCES: 72,
  MINHOPCOUNT: 73,
  RECVORIGDSTADDR: 74,
  TRANSPARENT: 75,
  UNICAST_IF: 76,
  RECVFRAGSIZE: 77,
  FREEBIND: 78,
} as const;
export const UDP = { CORK: 1, ENCAP: 100, NO_CHECK6_TX: 101, NO_CHECK6_RX: 102, SEGMENT: 103, GRO: 104 } as const;
export const UDPLITE = { SEND_CSCOV: 10, RECV_CSCOV: 11 } as const;
/** Both are called so in their header; struct icmp_filter has 4 bytes, icmp6_filter 32. */
export const ICMP_FILTER = 1;
export const ICMPV6_FILTER = 1;
/** Bytes that wait to be read (of a datagram socket: in the first datagram), and that wait to be sent. include/uapi/linux/sockios.h */
export const SIOCINQ = 0x541b;
export const SIOCOUTQ = 0x5411;
/** Of those, what was not sent once. */
export const SIOCOUTQNSD = 0x894b;

export const sockaddr_in = struct("sockaddr_in", 16, {
  sin_family: [0, u16],
  sin_port: [2, be16],
  sin_addr: [4, bytes(4)],
});
export const sockaddr_in6 = struct("sockaddr_in6", 28, {
  sin6_family: [0, u16],
  sin6_port: [2, be16],
  sin6_flowinfo: [4, u32],
  sin6_addr: [8, bytes(16)],
  sin6_scope_id: [24, u32],
});
