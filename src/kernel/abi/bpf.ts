// Maps of BPF: bpf(2); include/uapi/linux/bpf.h, union bpf_attr
import { bytes, struct, u32, u64 } from "../declare/struct.js";
import { buffer, count, int, syscall } from "../declare/syscall.js";

export const BPF = {
  MAP_CREATE: 0,
  MAP_GET_FD_BY_ID: 14,
  OBJ_GET_INFO_BY_FD: 15,
  MAP_FREEZE: 22,
  MAP_LOOKUP_BATCH: 24,
  MAP_UPDATE_BATCH: 26,
} as const;
export const BPF_MAP_TYPE = {
  UNSPEC: 0,
  HASH: 1,
  ARRAY: 2,
  PROG_ARRAY: 3,
  PERF_EVENT_ARRAY: 4,
  PERCPU_HASH: 5,
  PERCPU_ARRAY: 6,
  STACK_TRACE: 7,
  CGROUP_ARRAY: 8,
  LRU_HASH: 9,
  LRU_PERCPU_HASH: 10,
  LPM_TRIE: 11,
  ARRAY_OF_MAPS: 12,
  HASH_OF_MAPS: 13,
  DEVMAP: 14,
  SOCKMAP: 15,
  CPUMAP: 16,
  XSKMAP: 17,
  SOCKHASH: 18,
  CGROUP_STORAGE: 19,
  REUSEPORT_SOCKARRAY: 20,
  PERCPU_CGROUP_STORAGE: 21,
  QUEUE: 22,
  STACK: 23,
  SK_STORAGE: 24,
  DEVMAP_HASH: 25,
  STRUCT_OPS: 26,
  RINGBUF: 27,
  INODE_STORAGE: 28,
  TASK_STORAGE: 29,
  BLOOM_FILTER: 30,
  USER_RINGBUF: 31,
  CGRP_STORAGE: 32,
  ARENA: 33,
} as const;
/** What a descriptor is for. */
export const BPF_F = { RDONLY: 1 << 3, WRONLY: 1 << 4 } as const;
export const BPF_OBJ_NAME_LEN = 16;

/** Of MAP_CREATE. */
export const bpf_map_attr = struct("bpf_attr", 72, {
  map_type: [0, u32],
  key_size: [4, u32],
  value_size: [8, u32],
  max_entries: [12, u32],
  map_flags: [16, u32],
  map_name: [28, bytes(BPF_OBJ_NAME_LEN)],
  map_extra: [64, u64],
});
export const bpf_id_attr = struct("bpf_attr", 12, { id: [0, u32], open_flags: [8, u32] });
export const bpf_info_attr = struct("bpf_attr", 16, { bpf_fd: [0, u32], info_len: [4, u32], info: [8, u64] });
export const bpf_freeze_attr = struct("bpf_attr", 4, { map_fd: [0, u32] });
export const bpf_batch_attr = struct("bpf_attr", 56, {
  in_batch: [0, u64],
  out_batch: [8, u64],
  keys: [16, u64],
  values: [24, u64],
  count: [32, u32],
  map_fd: [36, u32],
});
export const bpf_map_info = struct("bpf_map_info", 88, {
  type: [0, u32],
  id: [4, u32],
  key_size: [8, u32],
  value_size: [12, u32],
  max_entries: [16, u32],
  map_flags: [20, u32],
  name: [24, bytes(BPF_OBJ_NAME_LEN)],
  ifindex: [40, u32],
  map_extra: [80, u64],
});

export const bpfCalls = {
  bpf: syscall(
    "bpf",
    321,
    [
      ["command", int],
      ["attributes", buffer],
      ["sizeBytes", int],
    ],
    count,
  ),
};
