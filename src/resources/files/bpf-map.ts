// BPF maps: bpf(2). Descriptors are in files.img, the elements of each map once in bpfmap-data.img. fdinfo: kernel/bpf/syscall.c, bpf_map_show_fdinfo().
import { create } from "@bufbuild/protobuf";
import type { ImageDirectory } from "../../images/directory.js";
import { BpfmapDataEntrySchema, type BpfmapFileEntry, BpfmapFileEntrySchema } from "../../images/format/entries.js";
import { invalid } from "../../images/format/fault.js";
import { BPF_MAP_TYPE, BPF_OBJ_NAME_LEN } from "../../kernel/abi/bpf.js";
import { O, O_ACCMODE } from "../../kernel/abi/fcntl.js";
import type { Fd } from "../../kernel/brand.js";
import { own } from "../../kernel/own-fd.js";
import { sys } from "../../kernel/syscalls.js";
import type { DumpContext, FileKind, OpenFile, RestoreContext } from "../kind.js";
import {
  type Elements,
  freezeMap,
  type MapInfo,
  makeMap,
  mapInfo,
  openMap,
  readElements,
  valueBytesOf,
  writeElements,
} from "./bpf-map-contents.js";
import { refuseFile } from "./refuse.js";

const { HASH, ARRAY, PERCPU_HASH, PERCPU_ARRAY, LRU_HASH, LRU_PERCPU_HASH, LPM_TRIE } = BPF_MAP_TYPE;
/** All others lead to objects of the kernel, or only give their elements away. */
const carried: ReadonlySet<number> = new Set([
  ...[HASH, ARRAY, PERCPU_HASH, PERCPU_ARRAY],
  ...[LRU_HASH, LRU_PERCPU_HASH, LPM_TRIE],
]);
const IMAGE = { file: "bpfmap-data.img" } as const;
/** The sizes in bpfmap-data.img have 32 bits. */
const MOST_BYTES = 0xffffffff;

export const bpfMap: FileKind<"bpf"> = {
  support: "full",
  type: "BPFMAP",
  field: "bpf",
  summary: "BPF maps, bpf(2)",
  signatures: [{ anonInode: "bpf-map" }],
  limits: [
    "hash tables, arrays and tries alone; a map gets a new number, and has no BTF any more",
    "one that a BPF program or a file in /sys/fs/bpf has, too, becomes a map of its own",
    "which elements of an LRU map were used last is lost",
  ],

  collect(file, common, context) {
    const info = context.once(BpfMaps).add(file);
    const field = (name: string) => file.fdinfo?.fields.get(name)?.[0] ?? "0";
    return create(BpfmapFileEntrySchema, {
      ...{ id: common.id, flags: common.flags, fown: common.fown, pos: file.fdinfo?.position ?? 0n },
      ...{ mapType: info.type, keySize: info.key_size, valueSize: info.value_size, maxEntries: info.max_entries },
      ...{ mapId: info.id, mapFlags: info.map_flags, mapExtra: info.map_extra, ifindex: info.ifindex },
      ...{ memlock: BigInt(field("memlock")), frozen: field("frozen") === "1", mapName: nameOf(info) },
    });
  },

  validate(entry, context) {
    context.once(RestoredBpfMaps).check(entry);
  },

  open(entry, context) {
    return context.once(RestoredBpfMaps).open(entry);
  },
};

const nameOf = ({ name }: MapInfo) => Buffer.from(name).toString("latin1").replace(/\0.*$/s, "");

/** The maps of one dump, by their numbers. */
export class BpfMaps {
  readonly #maps = new Map<number, { readonly info: MapInfo; readonly elements: Elements }>();

  constructor(private readonly context: DumpContext) {}

  add(file: OpenFile): MapInfo {
    const info = mapInfo(file.duplicate);
    if (!this.#maps.has(info.id)) {
      refuseOthers(file, info);
      this.#maps.set(info.id, { info, elements: elementsOf(file, info) });
    }
    return info;
  }

  write(): void {
    using writer = this.context.images.writer("bpfmap-data", undefined);
    for (const [mapId, { elements }] of this.#maps) {
      const { count, keys, values } = elements;
      const sizes = { keysBytes: keys.byteLength, valuesBytes: values.byteLength };
      writer.append(create(BpfmapDataEntrySchema, { mapId, count, ...sizes }));
      writer.blob(keys);
      writer.blob(values);
    }
    writer.close();
  }
}

function refuseOthers({ subject }: OpenFile, { type, ifindex }: MapInfo): void {
  const reason = !carried.has(type)
    ? `it is a BPF map of type ${typeName(type)}, which is more than keys and values`
    : ifindex !== 0
      ? "it is a BPF map on a network device"
      : undefined;
  if (reason !== undefined) throw refuseFile(subject, reason, "have the program close it before the dump");
}

const typeName = (type: number) =>
  Object.entries(BPF_MAP_TYPE).find(([, number]) => number === type)?.[0] ?? String(type);

function elementsOf(file: OpenFile, info: MapInfo): Elements {
  // A descriptor that is for writing only does not show the elements.
  const mustOpen = ((file.fdinfo?.flags ?? 0) & O_ACCMODE) === O.O_WRONLY;
  using opened = mustOpen ? own(openMap(info.id, 0)) : undefined;
  const sizes = { keyBytes: info.key_size, valueBytes: valueBytesOf(info.type, info.value_size) };
  const elements = readElements(opened?.fd ?? file.duplicate, sizes);
  if (Math.max(elements.keys.byteLength, elements.values.byteLength) > MOST_BYTES)
    throw refuseFile(file.subject, "its elements are larger than 4 GiB", "have the program close it before the dump");
  return elements;
}

/** The maps of one restore: made once, opened again for each descriptor. */
class RestoredBpfMaps {
  readonly #elements: ReadonlyMap<number, Elements>;
  /** By its number at the dump, its number now. */
  readonly #made = new Map<number, number>();

  constructor(private readonly context: RestoreContext) {
    this.#elements = readImage(context.images);
  }

  check({ mapId, mapType, keySize, valueSize }: BpfmapFileEntry): void {
    if (!carried.has(mapType)) throw invalid({ file: "files.img" }, `BPF map ${mapId} has the type ${mapType}`);
    const elements = this.#elements.get(mapId);
    if (elements === undefined) return;
    const { count, keys, values } = elements;
    const fits = keys.byteLength === count * keySize && values.byteLength === count * valueBytesOf(mapType, valueSize);
    if (!fits) throw invalid(IMAGE, `the elements of BPF map ${mapId} have other sizes than those of this machine`);
  }

  open(entry: BpfmapFileEntry): Fd {
    const now = this.#made.get(entry.mapId) ?? this.#make(entry);
    this.#made.set(entry.mapId, now);
    return openMap(now, entry.flags);
  }

  /** Result: its number. */
  #make({ mapName, frozen, mapId, ...entry }: BpfmapFileEntry): number {
    const map_name = new Uint8Array(BPF_OBJ_NAME_LEN);
    map_name.set(Buffer.from(mapName, "latin1").subarray(0, BPF_OBJ_NAME_LEN - 1));
    const made = makeMap({
      ...{ map_type: entry.mapType, key_size: entry.keySize, value_size: entry.valueSize },
      ...{ max_entries: entry.maxEntries, map_flags: entry.mapFlags, map_extra: entry.mapExtra, map_name },
    });
    this.context.scope.defer(() => sys.close(made));
    const elements = this.#elements.get(mapId);
    if (elements !== undefined) writeElements(made, elements);
    if (frozen) freezeMap(made);
    return mapInfo(made).id;
  }
}

function readImage(images: ImageDirectory): Map<number, Elements> {
  const maps = new Map<number, Elements>();
  using reader = images.reader("bpfmap-data", undefined);
  while (reader !== undefined && reader.remaining > 0) {
    const { mapId, count, keysBytes, valuesBytes } = reader.expect(BpfmapDataEntrySchema);
    maps.set(mapId, { count, keys: reader.blob(keysBytes), values: reader.blob(valuesBytes) });
  }
  return maps;
}
