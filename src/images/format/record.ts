// The framing of an image: magics, then records of a 32-bit length and that many bytes of protobuf, some followed by
// bytes whose number the record tells. Nothing is believed before it is checked against what is there.
// Format: CRIU 4.2, criu/protobuf.c; all integers little-endian.
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { AlikeMessages } from "./alike.js";
import { decodePlain } from "./decode.js";
import { invalid, type Place, truncated } from "./fault.js";
import { COMMON_MAGIC, type RecordKind, SERVICE_MAGIC } from "./magic.js";
import { U32_BYTES } from "./records.js";
import { checkMessage } from "./require.js";

/**
 * No record is longer. The largest that a dump makes are MmEntry (some 50 bytes a mapping) and SeccompEntry (32 KiB a
 * filter).
 */
export const MAX_RECORD_BYTES = 64 << 20;

/** Bytes in order, with a known end. */
export interface ByteSource {
  /** What is left. */
  readonly remaining: number;
  /** The next `length` bytes, which nobody changes later. Preconditions: length <= remaining. */
  take(length: number): Uint8Array;
  /** Preconditions: length <= remaining. */
  skip(length: number): void;
}

/** An image that is in memory. */
export class Bytes implements ByteSource {
  #at = 0;
  constructor(private readonly bytes: Uint8Array) {}
  get remaining(): number {
    return this.bytes.length - this.#at;
  }
  take(length: number): Uint8Array {
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }
  skip(length: number): void {
    this.#at += length;
  }
}

/** Not by destructuring, which has an iterator of each: twenty thousand of them for ten thousand files. */
const readU32 = (bytes: Uint8Array) => {
  const at = (index: number) => bytes[index] ?? 0;
  return (at(0) | (at(1) << 8) | (at(2) << 16) | (at(3) << 24)) >>> 0;
};
const hex = (magic: number) => `0x${magic.toString(16).padStart(8, "0")}`;

const headMagics = { common: COMMON_MAGIC, service: SERVICE_MAGIC } as const;
const magicsOf = ({ head, magic }: RecordKind): readonly number[] =>
  head === "inventory" ? [magic] : [headMagics[head], magic];

/** What a file of this kind starts with. */
export function encodeHead(kind: RecordKind): Uint8Array {
  const magics = magicsOf(kind);
  const head = new DataView(new ArrayBuffer(magics.length * U32_BYTES));
  for (const [index, magic] of magics.entries()) head.setUint32(index * U32_BYTES, magic, true);
  return new Uint8Array(head.buffer);
}

/**
 * Length and payload. A required field that was not set is a bug of whoever made the message.
 * @throws Error with the field's name
 */
export function encodeRecord<D extends DescMessage>(schema: D, message: MessageShape<D>): Uint8Array {
  const payload = toBinary(schema, message);
  const record = new Uint8Array(U32_BYTES + payload.length);
  new DataView(record.buffer).setUint32(0, payload.length, true);
  record.set(payload, U32_BYTES);
  return record;
}

/**
 * Reads an image record by record. Most images have one type of record, which is the default of `next`; where types
 * alternate or bytes follow, the caller says so: `next(IpcMsgSchema)`, `blob(length)`.
 * @throws StasisError from the constructor when the magics are not those of the kind
 */
export class RecordReader<D extends DescMessage = DescMessage> {
  #record = -1;

  constructor(
    readonly kind: RecordKind<D>,
    readonly file: string,
    private readonly source: ByteSource,
  ) {
    for (const expected of magicsOf(kind)) {
      if (source.remaining < 4) throw truncated(this.place, "it ends before its first record");
      const magic = readU32(source.take(4));
      if (magic === expected) continue;
      throw invalid(this.place, `it starts with ${hex(magic)}, current format starts with ${hex(expected)}`);
    }
  }

  /** The record that was read last. */
  get place(): Place {
    return this.#record < 0 ? { file: this.file } : { file: this.file, record: this.#record };
  }

  /** Bytes up to the end of the image. */
  get remaining(): number {
    return this.source.remaining;
  }

  /** The next record; undefined at the end of the image. */
  next(): MessageShape<D> | undefined;
  next<Other extends DescMessage>(schema: Other, alike?: AlikeMessages): MessageShape<Other> | undefined;
  next(schema: DescMessage = this.kind.message, alike?: AlikeMessages) {
    if (this.source.remaining === 0) return undefined;
    this.#record++;
    return decodePayload(schema, this.#payload(), this.place, alike);
  }

  /** As `next`, where the image says that there is one more. */
  expect<Other extends DescMessage>(schema: Other, alike?: AlikeMessages): MessageShape<Other> {
    return this.next(schema, alike) ?? this.#endsWithin(`a ${schema.name} has to follow`);
  }

  /** Bytes that belong to the record read last. `alignment`: they are filled up to a multiple of it. */
  blob(length: number | bigint, alignment = 1): Uint8Array {
    const { whole, used } = this.#measure(length, alignment);
    return this.source.take(whole).subarray(0, used);
  }

  /** As `blob`, for who does not want them. */
  skipBlob(length: number | bigint, alignment = 1): void {
    this.source.skip(this.#measure(length, alignment).whole);
  }

  #measure(length: number | bigint, alignment: number): { whole: number; used: number } {
    const left = this.source.remaining;
    if (length > left) throw truncated(this.place, `${length} bytes belong to the record, ${left} are left`);
    const used = Number(length);
    // Nothing is behind the last one's padding, so it may be missing.
    return { used, whole: Math.min(left, Math.ceil(used / alignment) * alignment) };
  }

  #payload(): Uint8Array {
    if (this.source.remaining < 4)
      throw truncated(this.place, `${this.source.remaining} bytes of its length are there`);
    const length = readU32(this.source.take(4));
    const left = this.source.remaining;
    if (length > left) throw truncated(this.place, `it is ${length} bytes long, ${left} are left`);
    if (length > MAX_RECORD_BYTES)
      throw invalid(this.place, `it is ${length} bytes long, the limit is ${MAX_RECORD_BYTES}`);
    return this.source.take(length);
  }

  #endsWithin(reason: string): never {
    throw truncated(this.place, `the image ends after it, and ${reason}`);
  }

  *[Symbol.iterator](): Generator<MessageShape<D>> {
    for (let entry = this.next(); entry !== undefined; entry = this.next()) yield entry;
  }
}

/**
 * A message from bytes that we did not write. With `alike` one that nobody may change.
 * @throws StasisError IMAGE_INVALID
 */
export function decodePayload<D extends DescMessage>(
  schema: D,
  payload: Uint8Array,
  place: Place,
  alike?: AlikeMessages,
): MessageShape<D> {
  const plain = alike === undefined ? decodePlain(schema, payload) : undefined;
  if (plain !== undefined) return plain;
  let message: MessageShape<D>;
  try {
    message = alike === undefined ? fromBinary(schema, payload) : alike.decode(schema, payload);
  } catch (cause) {
    // fromBinary throws plain Errors and RangeErrors: wire types, varints, lengths, depth.
    throw invalid(
      place,
      `its ${schema.name} does not decode (${cause instanceof Error ? cause.message : cause})`,
      cause,
    );
  }
  checkMessage(schema, message, place, alike?.checked);
  return message;
}
