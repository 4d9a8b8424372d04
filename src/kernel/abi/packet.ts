// Packet sockets: packet(7); include/uapi/linux/if_packet.h, packet_diag.h
import { be16, bytes, i32, struct, u8, u16, u32 } from "../declare/struct.js";

export const AF_PACKET = 17;
export const SOL_PACKET = 263;
export const PACKET = {
  ADD_MEMBERSHIP: 1,
  RX_RING: 5,
  COPY_THRESH: 7,
  AUXDATA: 8,
  ORIGDEV: 9,
  VERSION: 10,
  RESERVE: 12,
  TX_RING: 13,
  LOSS: 14,
  VNET_HDR: 15,
  TIMESTAMP: 17,
  FANOUT: 18,
  QDISC_BYPASS: 20,
  IGNORE_OUTGOING: 23,
} as const;
export const PACKET_FANOUT = { CBPF: 6, EBPF: 7 } as const;
export const PACKET_SHOW = { INFO: 1, MCLIST: 2, RING_CFG: 4, FANOUT: 8 } as const;
export const PACKET_DIAG = { INFO: 0, MCLIST: 1, RX_RING: 2, TX_RING: 3, FANOUT: 4 } as const;
export const PDI = { AUXDATA: 2, ORIGDEV: 4, VNETHDR: 8, LOSS: 0x10 } as const;

export const packet_diag_req = struct("packet_diag_req", 20, {
  sdiag_family: [0, u8],
  sdiag_protocol: [1, u8],
  pdiag_ino: [4, u32],
  pdiag_show: [8, u32],
});
export const packet_diag_msg = struct("packet_diag_msg", 16, {
  pdiag_family: [0, u8],
  pdiag_type: [1, u8],
  pdiag_num: [2, u16],
  pdiag_ino: [4, u32],
});
export const packet_diag_info = struct("packet_diag_info", 24, {
  pdi_index: [0, u32],
  pdi_version: [4, u32],
  pdi_reserve: [8, u32],
  pdi_copy_thresh: [12, u32],
  pdi_tstamp: [16, u32],
  pdi_flags: [20, u32],
});
export const packet_diag_mclist = struct("packet_diag_mclist", 44, {
  pdmc_index: [0, u32],
  pdmc_count: [4, u32],
  pdmc_type: [8, u16],
  pdmc_alen: [10, u16],
  pdmc_addr: [12, bytes(32)],
});
/** What packet_diag tells and what setsockopt(2) takes are laid out alike. */
export const tpacket_req3 = struct("tpacket_req3", 28, {
  tp_block_size: [0, u32],
  tp_block_nr: [4, u32],
  tp_frame_size: [8, u32],
  tp_frame_nr: [12, u32],
  tp_retire_blk_tov: [16, u32],
  tp_sizeof_priv: [20, u32],
  tp_feature_req_word: [24, u32],
});
/** The kernel's own: user space's `packet_mreq` has less room for the address. */
export const packet_mreq_max = struct("packet_mreq_max", 40, {
  mr_ifindex: [0, i32],
  mr_type: [4, u16],
  mr_alen: [6, u16],
  mr_address: [8, bytes(32)],
});
export const sockaddr_ll = struct("sockaddr_ll", 20, {
  sll_family: [0, u16],
  sll_protocol: [2, be16],
  sll_ifindex: [4, i32],
});
