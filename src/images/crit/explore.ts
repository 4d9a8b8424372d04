// `crit x`: the tree, the descriptors, the mappings and the memory of a dump as tables.

import { StasisError } from "../../report/error.js";
import { imageOfFile } from "../format/magic.js";
import { decodeImage } from "./image.js";
import { isList, isObject, type Json, type JsonObject } from "./json.js";

/** Gives a file of the directory; undefined: it is not there. */
export type Load = (file: string) => Uint8Array | undefined;
/** Result: lines. */
export type Explorer = (load: Load) => string[];

export const explorers: Readonly<Record<string, Explorer>> = { ps, fds, mems, rss };

function entriesOf(load: Load, file: string): readonly JsonObject[] {
  const bytes = load(file);
  if (bytes === undefined || imageOfFile(file) === undefined) {
    throw new StasisError({
      code: "IMAGE_MISSING",
      doing: "read the image",
      subject: { kind: "image", file },
      reason: "the file is not there",
    });
  }
  const { entries } = decodeImage(bytes, file);
  return isList(entries) ? entries.filter(isObject) : [];
}

const at = (json: Json | undefined, name: string): Json | undefined => (isObject(json) ? json[name] : undefined);
const number = (json: JsonObject, name: string): bigint => {
  const value = json[name];
  return typeof value === "number" || typeof value === "bigint" ? BigInt(value) : 0n;
};
const text = (json: Json | undefined) => (typeof json === "string" ? json : "");
const left = (value: string | bigint, width: number) => String(value).padEnd(width);
const right = (value: string | bigint, width: number) => String(value).padStart(width);
const hex8 = (value: bigint) => value.toString(16).padStart(8, "0");

const processes = (load: Load) => entriesOf(load, "pstree.img");

function ps(load: Load): string[] {
  const row = (pid: string | bigint, pgid: string | bigint, sid: string | bigint) =>
    `${right(pid, 7)}${right(pgid, 7)}${right(sid, 7)}   `;
  const all = processes(load);
  const below = (parent: JsonObject, depth: number): string[] => {
    const pid = number(parent, "pid");
    const core = entriesOf(load, `core-${pid}.img`)[0];
    const line = `${row(pid, number(parent, "pgid"), number(parent, "sid"))}${" ".repeat(4 * depth)}${text(at(at(core, "tc"), "comm"))}`;
    const children = depth > all.length ? [] : all.filter((one) => number(one, "ppid") === pid && one !== parent);
    return [line, ...children.flatMap((child) => below(child, depth + 1))];
  };
  const roots = all.filter((one) => number(one, "ppid") === 0n);
  return [`${row("PID", "PGID", "SID")}COMM`, ...roots.flatMap((root) => below(root, 0))];
}

/** The name of an open file, by its id and its type in fdinfo. */
function fileNames(load: Load): (type: string, id: bigint) => string {
  const files = load("files.img") === undefined ? [] : entriesOf(load, "files.img");
  const byId = new Map(files.map((file) => [number(file, "id"), file]));
  const old = (image: string, id: bigint) =>
    load(image) === undefined ? undefined : entriesOf(load, image).find((one) => number(one, "id") === id);
  return (type, id) => {
    const file = byId.get(id);
    const field = (name: string, image: string) => {
      const found = file === undefined ? old(image, id) : at(file, name);
      return isObject(found) ? found : undefined;
    };
    if (type === "REG") return text(field("reg", "reg-files.img")?.["name"]) || "unknown path";
    if (type === "PIPE") return `pipe[${field("pipe", "pipes.img")?.["pipe_id"] ?? "?"}]`;
    if (type !== "UNIXSK") return `${type}.${id}`;
    const socket = field("usk", "unixsk.img");
    if (socket === undefined) return "unix[?]";
    const name = text(socket["name"]);
    return `unix[${number(socket, "ino")} (${number(socket, "peer")})${name === "" ? "" : ` ${name}`}]`;
  };
}

function fds(load: Load): string[] {
  const nameOf = fileNames(load);
  return processes(load).flatMap((one) => {
    const pid = number(one, "pid");
    const ids = entriesOf(load, `ids-${pid}.img`)[0] ?? {};
    const [fs = {}] = entriesOf(load, `fs-${pid}.img`);
    const table = entriesOf(load, `fdinfo-${number(ids, "files_id")}.img`);
    const line = (name: string | bigint, shown: string) => `\t${right(name, 7)}: ${shown}`;
    return [
      String(pid),
      ...table.map((fd) => line(number(fd, "fd"), nameOf(text(fd["type"]), number(fd, "id")))),
      line("cwd", nameOf("REG", number(fs, "cwd_id"))),
      line("root", nameOf("REG", number(fs, "root_id"))),
    ];
  });
}

const status = { regular: 1n, stack: 1n << 1n, vsyscall: 1n << 2n, vdso: 1n << 3n } as const;
const [FILE_PRIVATE, FILE_SHARED, ANON_SHARED, SYSV, SOCKET] = [1n << 6n, 1n << 7n, 1n << 8n, 1n << 10n, 1n << 11n];
const GROWS_DOWN = 0x100n;

const mappings = (load: Load, pid: bigint): { readonly mm: JsonObject; readonly vmas: readonly JsonObject[] } => {
  const [mm = {}] = entriesOf(load, `mm-${pid}.img`);
  const { vmas } = mm;
  return { mm, vmas: isList(vmas) ? vmas.filter(isObject) : [] };
};

function mems(load: Load): string[] {
  const nameOf = fileNames(load);
  const shared = new Map<bigint, number>();
  const sharedNumber = (id: bigint) => {
    const known = shared.get(id) ?? shared.size + 1;
    shared.set(id, known);
    return known.toString(16);
  };
  return processes(load).flatMap((one) => {
    const pid = number(one, "pid");
    const { mm, vmas } = mappings(load, pid);
    const rows = vmas.map((vma) => {
      const prot = number(vma, "prot");
      const mode = `${prot & 1n ? "r" : "-"}${prot & 2n ? "w" : "-"}${prot & 4n ? "x" : "-"}`;
      const range = `${hex8(number(vma, "start"))}-${hex8(number(vma, "end"))}`;
      return `\t${left(range, 36)}${mode}${mappingName(vma, nameOf, sharedNumber)}`;
    });
    return [String(pid), `\t${left("exe", 36)}    ${nameOf("REG", number(mm, "exe_file_id"))}`, ...rows];
  });
}

function mappingName(
  vma: JsonObject,
  nameOf: (type: string, id: bigint) => string,
  sharedNumber: (id: bigint) => string,
): string {
  const bits = number(vma, "status");
  const id = number(vma, "shmid");
  const unused = (bits & status.regular) === 0n ? " *" : "";
  const anonymous: readonly (readonly [bigint, () => string])[] = [
    [SYSV, () => ` ips[${sharedNumber(id)}]`],
    [ANON_SHARED, () => ` shmem[${sharedNumber(id)}]`],
    [SOCKET, () => ` packet[${sharedNumber(id)}]`],
    [FILE_PRIVATE | FILE_SHARED, () => ` ${mappedFile(vma, nameOf("REG", id))}`],
    [status.stack, () => " [stack]"],
    [status.vsyscall, () => " [vsyscall]"],
    [status.vdso, () => " [vdso]"],
  ];
  const found = anonymous.find(([bit]) => (bits & bit) !== 0n)?.[1]();
  return (found ?? ((number(vma, "flags") & GROWS_DOWN) === 0n ? "" : " [stack?]")) + unused;
}

function mappedFile(vma: JsonObject, name: string): string {
  const offset = number(vma, "pgoff");
  const isShared = (number(vma, "status") & FILE_SHARED) !== 0n;
  return `${name}${offset === 0n ? "" : ` + 0x${offset.toString(16)}`}${isShared ? " (s)" : ""}`;
}

const PAGE_SHIFT = 12n;

function rss(load: Load): string[] {
  const nameOf = fileNames(load);
  return processes(load).flatMap((one) => {
    const pid = number(one, "pid");
    const { vmas } = mappings(load, pid);
    const [, ...ranges] = entriesOf(load, `pagemap-${pid}.img`);
    let shown: JsonObject | undefined;
    const rows = ranges.flatMap((range) => {
      const start = number(range, "vaddr");
      const end = start + (number(range, "nr_pages") << PAGE_SHIFT);
      const parts = vmas
        .filter((vma) => number(vma, "end") > start && number(vma, "start") < end)
        .map((vma) => {
          const again = vma === shown;
          shown = vma;
          return `${again ? " ~" : ` ${describe(vma, nameOf)}`}\n\t${" ".repeat(23)}`;
        });
      const pages = `\t${start.toString(16)} / ${left(number(range, "nr_pages"), 8)}`;
      return `${left(pages, 24)}${parts.join("")}`.split("\n");
    });
    return [String(pid), ...rows];
  });
}

function describe(vma: JsonObject, nameOf: (type: string, id: bigint) => string): string {
  const pages = (number(vma, "end") - number(vma, "start")) >> PAGE_SHIFT;
  const isFile = (number(vma, "status") & (FILE_PRIVATE | FILE_SHARED)) !== 0n;
  return `${hex8(number(vma, "start"))} / ${left(pages, 8)}${isFile ? ` ${nameOf("REG", number(vma, "shmid"))}` : ""}`;
}
