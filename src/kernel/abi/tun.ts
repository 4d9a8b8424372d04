// TUN and TAP: include/uapi/linux/if_tun.h; Documentation/networking/tuntap.rst
export const TUN = {
  TUNSETIFF: 0x400454ca,
  TUNGETIFF: 0x800454d2,
  TUNSETQUEUE: 0x400454d9,
} as const;

export const IFF = {
  IFF_TUN: 0x1,
  IFF_TAP: 0x2,
  IFF_MULTI_QUEUE: 0x100,
  IFF_DETACH_QUEUE: 0x400,
  IFF_PERSIST: 0x800,
  /** Of what TUNGETIFF says; of what an interface is, it is IFF_NO_PI. */
  IFF_NOFILTER: 0x1000,
} as const;
