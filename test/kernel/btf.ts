// Struct layouts of the running kernel, from BTF: Documentation/bpf/btf.rst.
import { readFileSync } from "node:fs";

/** A member that is no struct or union itself; those are descended into. */
export interface Leaf {
  /** The last name: "si_signo", not "_sifields._kill._pid"; "" when it has none. */
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
}
export interface KernelStruct {
  readonly sizeBytes: number;
  /** Members by their own name, structs and unions included: what a field of ours is compared with by name. */
  readonly members: readonly Leaf[];
}

const MAGIC = 0xeb9f;
const KIND = {
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  ENUM64: 19,
};
/** Deeper nesting than this is a loop. */
const DEPTH = 32;

export class Btf {
  readonly #view: DataView;
  readonly #strings: number;
  /** Where each type begins, by id; type 0 is void. */
  readonly #types: number[] = [0];
  readonly #structs = new Map<string, number[]>();

  constructor(readonly bytes: Buffer) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#view.getUint16(0, true) !== MAGIC) throw new Error("not BTF");
    const header = this.#word(4);
    this.#strings = header + this.#word(16);
    const end = header + this.#word(8) + this.#word(12);
    for (let at = header + this.#word(8); at < end; at += this.#lengthBytes(at)) this.#index(at);
  }

  static ofKernel(path = "/sys/kernel/btf/vmlinux"): Btf {
    return new Btf(readFileSync(path));
  }

  /** Every struct of this name: a kernel may have several, private to their source files. */
  structs(name: string): KernelStruct[] {
    const ids = this.#structs.get(name) ?? [];
    return ids.map((id) => ({ sizeBytes: this.#sizeOf(id), members: this.#members(id, 0, DEPTH) }));
  }

  #word(at: number): number {
    return this.#view.getUint32(at, true);
  }

  #string(offset: number): string {
    const start = this.#strings + offset;
    return this.bytes.toString("latin1", start, this.bytes.indexOf(0, start));
  }

  #index(at: number): void {
    const id = this.#types.push(at) - 1;
    const isComposite = this.#kind(at) === KIND.STRUCT || this.#kind(at) === KIND.UNION;
    if (!isComposite || this.#word(at) === 0) return;
    const name = this.#string(this.#word(at));
    this.#structs.set(name, [...(this.#structs.get(name) ?? []), id]);
  }

  #kind(at: number): number {
    return (this.#word(at + 4) >>> 24) & 0x1f;
  }

  #count(at: number): number {
    return this.#word(at + 4) & 0xffff;
  }

  #lengthBytes(at: number): number {
    const perEntry: Readonly<Record<number, number>> = {
      [KIND.STRUCT]: 12,
      [KIND.UNION]: 12,
      [KIND.ENUM]: 8,
      [KIND.FUNC_PROTO]: 8,
      [KIND.DATASEC]: 12,
      [KIND.ENUM64]: 12,
    };
    const fixed: Readonly<Record<number, number>> = {
      [KIND.INT]: 4,
      [KIND.ARRAY]: 12,
      [KIND.VAR]: 4,
      [KIND.DECL_TAG]: 4,
    };
    const kind = this.#kind(at);
    return 12 + (fixed[kind] ?? (perEntry[kind] ?? 0) * this.#count(at));
  }

  /** In bytes. Typedefs, const, volatile and their like are looked through. */
  #sizeOf(id: number, depth = DEPTH): number {
    const at = this.#types[id];
    if (id === 0 || at === undefined || depth === 0) return 0;
    const kind = this.#kind(at);
    if (kind === KIND.PTR) return 8;
    if (kind === KIND.ARRAY) return this.#word(at + 20) * this.#sizeOf(this.#word(at + 12), depth - 1);
    const sized: readonly number[] = [
      KIND.INT,
      KIND.STRUCT,
      KIND.UNION,
      KIND.ENUM,
      KIND.FLOAT,
      KIND.ENUM64,
      KIND.DATASEC,
    ];
    return sized.includes(kind) ? this.#word(at + 8) : this.#sizeOf(this.#word(at + 8), depth - 1);
  }

  /** The struct or union behind typedefs; undefined for anything else. */
  #composite(id: number, depth: number): number | undefined {
    const at = this.#types[id];
    if (id === 0 || at === undefined || depth === 0) return undefined;
    const kind = this.#kind(at);
    if (kind === KIND.STRUCT || kind === KIND.UNION) return at;
    const looked: readonly number[] = [KIND.INT, KIND.PTR, KIND.ARRAY, KIND.ENUM, KIND.FLOAT, KIND.ENUM64];
    return looked.includes(kind) ? undefined : this.#composite(this.#word(at + 8), depth - 1);
  }

  #members(id: number, base: number, depth: number): Leaf[] {
    const at = this.#composite(id, depth);
    if (at === undefined) return [];
    const bitfields = this.#word(at + 4) >>> 31 === 1;
    const entries = Array.from({ length: this.#count(at) }, (_, index) => at + 12 + index * 12);
    return entries.flatMap((entry) => {
      const bits = this.#word(entry + 8);
      const offset = base + (bitfields ? bits & 0xffffff : bits) / 8;
      const type = this.#word(entry + 4);
      const self = { name: this.#string(this.#word(entry)), offset, sizeBytes: this.#sizeOf(type) };
      return [self, ...this.#members(type, offset, depth - 1)];
    });
  }
}
