// A BPF map as the kernel has it: what it is, and all its elements at once: bpf(2), BPF_MAP_LOOKUP_BATCH and BPF_MAP_UPDATE_BATCH.
import {
  BPF,
  BPF_F,
  BPF_MAP_TYPE,
  bpf_batch_attr,
  bpf_freeze_attr,
  bpf_id_attr,
  bpf_info_attr,
  bpf_map_attr,
  bpf_map_info,
} from "../../kernel/abi/bpf.js";
import { O, O_ACCMODE } from "../../kernel/abi/fcntl.js";
import { asFd, type Fd } from "../../kernel/brand.js";
import { addressOf } from "../../kernel/call.js";
import type { ShapeOf } from "../../kernel/declare/struct.js";
import { SyscallError } from "../../kernel/errno.js";
import { possibleProcessors } from "../../kernel/processors.js";
import { sys } from "../../kernel/syscalls.js";

export interface Elements {
  readonly count: number;
  /** All keys, one after the other; all values. */
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
}
export type MapInfo = ReturnType<typeof mapInfo>;
interface Sizes {
  readonly keyBytes: number;
  readonly valueBytes: number;
}

const BATCH_BYTES = 1 << 20;
const LEAST_ELEMENTS = 64;
const MOST_ELEMENTS = 65536;
/** Where a walk goes on is told in a number or in a key. */
const LEAST_PLACE_BYTES = 4;

const perProcessor: ReadonlySet<number> = new Set([
  BPF_MAP_TYPE.PERCPU_HASH,
  BPF_MAP_TYPE.PERCPU_ARRAY,
  BPF_MAP_TYPE.LRU_PERCPU_HASH,
]);

/** Of a map with a value for each processor an element has as many, each filled up to 8 bytes: kernel/bpf/syscall.c, bpf_map_value_size(). */
export function valueBytesOf(mapType: number, valueSize: number): number {
  return perProcessor.has(mapType) ? ((valueSize + 7) & ~7) * possibleProcessors().length : valueSize;
}

export function mapInfo(map: Fd) {
  const bytes = new Uint8Array(bpf_map_info.sizeBytes);
  const attributes = { bpf_fd: map, info_len: bytes.byteLength, info: addressOf(bytes) };
  bpf(BPF.OBJ_GET_INFO_BY_FD, bpf_info_attr.encode(attributes));
  return bpf_map_info.decode(bytes);
}

/** Another open file of a map. `flags`: O_RDONLY, O_WRONLY or O_RDWR. */
export function openMap(id: number, flags: number): Fd {
  const mode = flags & O_ACCMODE;
  const open_flags = mode === O.O_WRONLY ? BPF_F.WRONLY : mode === O.O_RDWR ? 0 : BPF_F.RDONLY;
  return asFd(bpf(BPF.MAP_GET_FD_BY_ID, bpf_id_attr.encode({ id, open_flags })));
}

export function makeMap(attributes: ShapeOf<typeof bpf_map_attr>): Fd {
  return asFd(bpf(BPF.MAP_CREATE, bpf_map_attr.encode(attributes)));
}

/** Nobody can write to it from user space from then on. */
export function freezeMap(map: Fd): void {
  bpf(BPF.MAP_FREEZE, bpf_freeze_attr.encode({ map_fd: map }));
}

export function readElements(map: Fd, { keyBytes, valueBytes }: Sizes): Elements {
  const keys: Uint8Array[] = [];
  const values: Uint8Array[] = [];
  let count = 0;
  let most = Math.min(MOST_ELEMENTS, Math.max(LEAST_ELEMENTS, Math.floor(BATCH_BYTES / (keyBytes + valueBytes))));
  const place = new Uint8Array(Math.max(keyBytes, LEAST_PLACE_BYTES));
  for (let isFirst = true, isLast = false; !isLast; ) {
    const batch = { keys: new Uint8Array(most * keyBytes), values: new Uint8Array(most * valueBytes) };
    const out_batch = addressOf(place);
    const attributes = bpf_batch_attr.encode({
      ...{ in_batch: isFirst ? 0n : out_batch, out_batch, count: most, map_fd: map },
      ...{ keys: addressOf(batch.keys), values: addressOf(batch.values) },
    });
    const outcome = lookUp(attributes);
    // ENOSPC: more elements have one hash than there is room for.
    if (outcome === "ENOSPC") most *= 2;
    else {
      const found = bpf_batch_attr.decode(attributes).count;
      keys.push(batch.keys.subarray(0, found * keyBytes));
      values.push(batch.values.subarray(0, found * valueBytes));
      count += found;
      isFirst = false;
      isLast = outcome === "ENOENT";
    }
  }
  return { count, keys: Buffer.concat(keys), values: Buffer.concat(values) };
}

export function writeElements(map: Fd, { count, keys, values }: Elements): void {
  if (count === 0) return;
  const from = { in_batch: 0n, out_batch: 0n, keys: addressOf(keys), values: addressOf(values) };
  bpf(BPF.MAP_UPDATE_BATCH, bpf_batch_attr.encode({ ...from, count, map_fd: map }));
}

/** ENOENT: these were the last. */
function lookUp(attributes: Uint8Array): "more" | "ENOENT" | "ENOSPC" {
  try {
    bpf(BPF.MAP_LOOKUP_BATCH, attributes);
    return "more";
  } catch (error) {
    if (error instanceof SyscallError && (error.errno === "ENOENT" || error.errno === "ENOSPC")) return error.errno;
    throw error;
  }
}

const bpf = (command: number, attributes: Uint8Array) => sys.bpf(command, attributes, attributes.byteLength);
