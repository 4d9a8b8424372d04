// Numbers in image fields that the schema has as plain integers: bits and lists that are CRIU's own, not the kernel's.

/** TaskCoreEntry.task_state. */
export const TaskState = { ALIVE: 1, DEAD: 2, STOPPED: 3, ZOMBIE: 6 } as const;
export type TaskState = (typeof TaskState)[keyof typeof TaskState];

/** Bits of VmaEntry.status. */
export const VmaStatus = {
  /** Has content to save, as opposed to what the kernel maps by itself. */
  AREA_REGULAR: 1 << 0,
  AREA_STACK: 1 << 1,
  AREA_VSYSCALL: 1 << 2,
  AREA_VDSO: 1 << 3,
  AREA_HEAP: 1 << 5,
  FILE_PRIVATE: 1 << 6,
  FILE_SHARED: 1 << 7,
  ANON_SHARED: 1 << 8,
  ANON_PRIVATE: 1 << 9,
  AREA_SYSVIPC: 1 << 10,
  /** A packet(7) ring. */
  AREA_SOCKET: 1 << 11,
  AREA_VVAR: 1 << 12,
  AREA_AIORING: 1 << 13,
  AREA_MEMFD: 1 << 14,
  AREA_SHSTK: 1 << 15,
  /** Pages under MADV_GUARD_INSTALL, as mappings of their own after all others. */
  AREA_GUARD: 1 << 16,
  AREA_UPROBES: 1 << 17,
  EXT_PLUGIN: 1 << 27,
} as const;

/** Bits of UnixSkEntry.uflags. */
export const UnixSocketFlag = {
  /** The peer is outside of the dumped tree. */
  EXTERN: 1 << 0,
  /** The connection to the service that asked for the dump. */
  SERVICE: 1 << 1,
  /** A plugin connects it. */
  CALLBACK: 1 << 2,
  /** Comes with the restore's inherit_fd. */
  INHERIT: 1 << 3,
} as const;

/** InventoryEntry.network_lock_method. */
export const NetworkLock = { IPTABLES: 0, NFTABLES: 1, SKIP: 2 } as const;
export type NetworkLock = (typeof NetworkLock)[keyof typeof NetworkLock];

/** InventoryEntry.img_version: without and with the common magic at the head of files. */
export const ImageVersion = { V1: 1, V1_1: 2 } as const;

/** RemapFilePathEntry.remap_id of images that have no remap_type: this bit marks a ghost. */
export const REMAP_GHOST = 0x8000_0000;
