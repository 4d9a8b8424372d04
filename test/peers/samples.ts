// Images to show to peers: one of every kind, and a small tree that hangs together.
import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import type { ImageDirectory } from "../../src/images/directory.js";
import * as entry from "../../src/images/format/entries.js";
import { imageKinds, type RecordKind, type RecordName, recordNames } from "../../src/images/format/magic.js";
import { NetworkLock, TaskState, VmaStatus } from "../../src/images/format/numbers.js";
import { PagemapFlag } from "../../src/images/format/pagemap.js";
import type { ImageWriter } from "../../src/images/writer.js";

/** Lists that crit 3.17 does not know. */
const young = new Set(["cap_amb", "ipv4_sysctl", "more_opts", "unix_conf"]);

/** From this number on fields are ours: crit passes them over, and does not write them again. */
const OUR_OWN_FIELDS = 51000;

/** A message with the fields that every CRIU knows, or with `all`: numbers are those of the fields, texts their names. */
function sample(schema: DescMessage, all = false): Message {
  const required = FeatureSet_FieldPresence.LEGACY_REQUIRED;
  const old = ({ presence, fieldKind, name }: DescField) =>
    presence === required || (fieldKind === "list" && !young.has(name)) || name === "pages_lazy";
  const fields = schema.fields.filter(
    (field) => (all || old(field)) && field.message !== schema && field.number < OUR_OWN_FIELDS,
  );
  return create(schema, Object.fromEntries(fields.map((field) => [field.localName, sampleOf(field, all)])));
}

function sampleOf(field: DescField, all: boolean): unknown {
  const value = scalarOf(field, all);
  return field.fieldKind === "list" ? [value] : value;
}

function scalarOf({ message, enum: names, scalar, number, name }: DescField, all: boolean): unknown {
  if (message) return sample(message, all);
  // The later ones are younger.
  if (names) return names.values[1]?.number;
  switch (scalar) {
    case ScalarType.STRING:
      return name;
    case ScalarType.BYTES:
      return Buffer.from(name);
    case ScalarType.BOOL:
      return true;
    case ScalarType.UINT64:
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
      return BigInt(number);
    default:
      return number;
  }
}

/** What follows a sample of these kinds; their lengths are the numbers of the fields that tell them. */
const tails: { readonly [N in RecordName]?: (writer: ImageWriter) => void } = {
  "pipes-data": (writer) => writer.blob(Buffer.from("ab")),
  "fifo-data": (writer) => writer.blob(Buffer.from("ab")),
  "sk-queues": (writer) => writer.blob(Buffer.from("ab")),
  "tcp-stream": (writer) => writer.blob(Buffer.from("iooo")),
  "ghost-file": (writer) => writer.blob(Buffer.from("whole content")),
  "bpfmap-data": (writer) => writer.blob(Buffer.from("kkvvv")),
  "ipcns-shm": (writer) => writer.blob(Buffer.from("ab"), 4),
  "ipcns-sem": (writer) => writer.blob(Buffer.from("aabb"), 8),
  "ipcns-msg": (writer) => {
    for (const text of ["ab", "cd", "ef"]) {
      writer.appendAs(entry.IpcMsgSchema, create(entry.IpcMsgSchema, { mtype: 1n, msize: 2 }));
      writer.blob(Buffer.from(text), 8);
    }
  },
};

/** Writes an image of each kind of record. */
export function writeEveryKind(images: ImageDirectory): void {
  for (const name of recordNames) {
    const kind: RecordKind = imageKinds[name];
    using writer: ImageWriter = images.writer(name, kind.file.includes("%") ? 5 : undefined);
    if (kind.message === entry.PagemapEntrySchema)
      writer.appendAs(entry.PagemapHeadSchema, create(entry.PagemapHeadSchema, { pagesId: 1 }));
    writer.append(sample(kind.message));
    tails[name]?.(writer);
    writer.close();
  }
}

/** Registers of a thread of each machine, as core-PID.img has them: pid 1 is x86-64. */
export function writeEveryMachine(images: ImageDirectory): void {
  const registers = entry.CoreEntrySchema.fields.filter(({ name }) => name === "thread_info" || name.startsWith("ti_"));
  for (const { localName, name, message } of registers) {
    if (message === undefined) throw new Error(`${name} is no message`);
    const machine = name === "thread_info" ? "X86_64" : name.slice("ti_".length).toUpperCase();
    const mtype = entry.CoreEntry_MarchSchema.values.find((value) => value.name === machine)?.number;
    if (mtype === undefined) throw new Error(`no machine is called ${machine}`);
    images.write("core", mtype, [create(entry.CoreEntrySchema, { mtype, [localName]: sample(message, true) })]);
  }
}

const fown = create(entry.FownEntrySchema, { uid: 0, euid: 0, signum: 0, pidType: 0, pid: 0 });
const reg = (id: number, name: string) =>
  create(entry.FileEntrySchema, { type: entry.FdType.REG, id, reg: { id, flags: 0, pos: 0n, fown, name } });

/** Process 100 with a child, sharing nothing: null device, a pipe, one mapped file, four pages of which two have content. */
export function writeSmallTree(images: ImageDirectory): void {
  const names = ["parent", "child"];
  const process = (pid: number, ppid: number) =>
    create(entry.PstreeEntrySchema, { pid, ppid, pgid: 100, sid: 100, threads: [pid] });
  images.write("pstree", undefined, [process(100, 0), process(101, 100)]);
  for (const [index, comm] of names.entries()) writeTask(images, 100 + index, comm);
  const pipe = { id: 5, pipeId: 500, flags: 1, fown };
  const files = [reg(1, "/bin/sleep"), reg(2, "/tmp"), reg(3, "/"), reg(4, "/dev/null")];
  images.write("files", undefined, [...files, create(entry.FileEntrySchema, { type: entry.FdType.PIPE, id: 5, pipe })]);
  const inventory = { imgVersion: 2, fdinfoPerId: true, nsPerId: true, networkLockMethod: NetworkLock.IPTABLES };
  images.commit(create(entry.InventoryEntrySchema, inventory));
}

function writeTask(images: ImageDirectory, pid: number, comm: string): void {
  const { X86_64 } = entry.CoreEntry_March;
  const tc = { taskState: TaskState.ALIVE, exitCode: 0, personality: 0, flags: 0, blkSigset: 0n, comm };
  images.write("core", pid, [create(entry.CoreEntrySchema, { mtype: X86_64, tc })]);
  images.write("ids", pid, [
    create(entry.TaskKobjIdsEntrySchema, { vmId: pid, filesId: pid, fsId: pid, sighandId: pid }),
  ]);
  images.write("fs", pid, [create(entry.FsEntrySchema, { cwdId: 2, rootId: 3 })]);
  const fd = (number: number, id: number, type: entry.FdType) =>
    create(entry.FdinfoEntrySchema, { id, flags: 0, type, fd: number });
  images.write("fdinfo", pid, [fd(0, 4, entry.FdType.REG), fd(1, 5, entry.FdType.PIPE)]);
  images.write("mm", pid, [memory()]);
  using pages = images.pagesWriter("pagemap", pid);
  pages.add(0x7f00_0000_1000n, 2, PagemapFlag.PRESENT);
  pages.append(new Uint8Array(8192).fill(pid));
  pages.close();
}

function memory(): entry.MmEntry {
  const { AREA_REGULAR, AREA_STACK, FILE_PRIVATE, ANON_PRIVATE } = VmaStatus;
  const vma = (start: bigint, end: bigint, shmid: bigint, prot: number, status: number) =>
    create(entry.VmaEntrySchema, {
      start,
      end,
      pgoff: 0n,
      shmid,
      prot,
      flags: 2,
      status: AREA_REGULAR | status,
      fd: -1n,
    });
  const code = { mmStartCode: 0x40_0000n, mmEndCode: 0x40_1000n, mmStartData: 0n, mmEndData: 0n };
  const heap = { mmStartBrk: 0n, mmBrk: 0n, mmStartStack: 0x7fff_0000_0000n };
  const strings = { mmArgStart: 0n, mmArgEnd: 0n, mmEnvStart: 0n, mmEnvEnd: 0n };
  const vmas = [
    vma(0x40_0000n, 0x40_1000n, 1n, 5, FILE_PRIVATE),
    vma(0x7f00_0000_0000n, 0x7f00_0000_4000n, 0n, 3, ANON_PRIVATE),
    vma(0x7fff_0000_0000n, 0x7fff_0001_0000n, 0n, 3, ANON_PRIVATE | AREA_STACK),
  ];
  return create(entry.MmEntrySchema, { ...code, ...heap, ...strings, exeFileId: 1, vmas });
}
