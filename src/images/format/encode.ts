// Messages to bytes, many into one buffer. What is known of a type is found out once.
import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { DELIMITED, type FieldShape, shapeOf, type Values } from "./wire.js";

const encoders = new Map<DescMessage, MessageEncoder>();

function encoderOf(schema: DescMessage): MessageEncoder {
  const known = encoders.get(schema);
  if (known !== undefined) return known;
  const made = new MessageEncoder(schema);
  encoders.set(schema, made);
  return made;
}

interface EncodedField extends FieldShape {
  readonly name: string;
  readonly tag: number;
  readonly field: DescField;
  readonly isRequired: boolean;
  /** A list of numbers that is written as one field. */
  readonly isPacked: boolean;
}

/** Writes messages into its own memory, one behind the other. */
export class Encoder {
  #bytes = Buffer.allocUnsafeSlow(1 << 14);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  /** All that was written since the last time, copied. */
  take(): Uint8Array {
    const taken = new Uint8Array(this.#bytes.subarray(0, this.#at));
    this.#at = 0;
    return taken;
  }

  /** Forgets what was written: it is half a message. */
  clear(): void {
    this.#at = 0;
  }

  /** Length and payload. Throws Error with the field's name: a required one was not set, or one has a value that is none. */
  record(schema: DescMessage, message: Message): void {
    this.#need(4);
    const from = this.#at;
    this.#at += 4;
    encoderOf(schema).write(message as unknown as Values, this);
    this.#bytes.writeUInt32LE(this.#at - from - 4, from);
  }

  #need(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const more = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + count));
    more.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = more;
  }

  /** An unsigned number of 32 bits. */
  varint(value: number): void {
    this.#need(5);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#at++] = rest;
  }

  varint64(value: bigint): void {
    if (value >= 0n && value <= 0x7fffffffn) {
      this.varint(Number(value));
      return;
    }
    this.#need(10);
    let rest = BigInt.asUintN(64, value);
    for (; rest > 0x7fn; rest >>= 7n) this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80;
    this.#bytes[this.#at++] = Number(rest);
  }

  fixed32(value: number): void {
    this.#need(4);
    this.#at = this.#bytes.writeUInt32LE(value, this.#at);
  }

  fixed64(value: bigint): void {
    this.#need(8);
    this.#at = this.#bytes.writeBigUInt64LE(value, this.#at);
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    this.#need(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  text(value: string): void {
    this.#need(value.length * MOST_BYTES_A_UNIT + 5);
    this.delimited(() => {
      this.#at += this.#bytes.write(value, this.#at);
    });
  }

  /** What `write` writes, with its length before it. */
  delimited(write: () => void): void {
    this.#need(1);
    const from = ++this.#at;
    write();
    const length = this.#at - from;
    if (length < 0x80) {
      this.#bytes[from - 1] = length;
      return;
    }
    const lengthBytes = length < 0x4000 ? 2 : length < 0x200000 ? 3 : length < 0x10000000 ? 4 : 5;
    this.#need(lengthBytes - 1);
    this.#bytes.copyWithin(from - 1 + lengthBytes, from, this.#at);
    this.#at = from - 1;
    this.varint(length);
    this.#at += length;
  }
}
/** Of UTF-8, for one unit of UTF-16. */
const MOST_BYTES_A_UNIT = 3;

class MessageEncoder {
  readonly #fields: readonly EncodedField[];

  constructor(readonly schema: DescMessage) {
    this.#fields = schema.fields.toSorted((a, b) => a.number - b.number).map(encodedField);
  }

  write(message: Values, to: Encoder): void {
    if (message.$typeName !== this.schema.typeName)
      throw new Error(`cannot encode a ${message.$typeName} as ${this.schema.typeName}`);
    for (const field of this.#fields) {
      const value = message[field.name];
      // Defaults are on the prototype.
      if (value === undefined || !Object.hasOwn(message, field.name)) requireAbsence(field);
      else if (field.isList) writeList(field, value as unknown[], to);
      else writeOne(field, value, to);
    }
    for (const { no, wireType, data } of message.$unknown ?? NOTHING) {
      to.varint(((no << 3) | wireType) >>> 0);
      to.raw(data);
    }
  }
}
const NOTHING: NonNullable<Values["$unknown"]> = [];

function encodedField(field: DescField): EncodedField {
  const shape = shapeOf(field);
  const isPacked = field.fieldKind === "list" && field.packed;
  return {
    ...shape,
    name: field.localName,
    tag: ((field.number << 3) | (isPacked ? DELIMITED : shape.wire)) >>> 0,
    field,
    isRequired: field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED,
    isPacked,
  };
}

function requireAbsence({ isRequired, field }: EncodedField): void {
  if (isRequired) throw new Error(`cannot encode ${field} to binary: required field not set`);
}

function writeList(field: EncodedField, items: readonly unknown[], to: Encoder): void {
  const { tag, scalar, isPacked } = field;
  if (!isPacked || scalar === undefined) for (const item of items) writeOne(field, item, to);
  else if (items.length > 0) {
    to.varint(tag);
    to.delimited(() => {
      for (const item of items) writeScalar(field, scalar, item, to);
    });
  }
}

function writeOne(field: EncodedField, value: unknown, to: Encoder): void {
  const { tag, scalar, message } = field;
  to.varint(tag);
  if (scalar !== undefined) writeScalar(field, scalar, value, to);
  else if (message !== undefined) to.delimited(() => encoderOf(message).write(value as Values, to));
}

function writeScalar({ field }: EncodedField, type: ScalarType, value: unknown, to: Encoder): void {
  if (writers[type]?.(value, to) === true) return;
  throw new Error(`cannot encode ${field} to binary: ${String(value)} is no ${ScalarType[type]}`);
}

/** True when the value is one of that type, and written. */
type Writer = (value: unknown, to: Encoder) => boolean;

const ofNumber =
  (isIt: (value: number) => boolean, write: (value: number, to: Encoder) => void): Writer =>
  (value, to) => {
    if (typeof value !== "number" || !isIt(value)) return false;
    write(value, to);
    return true;
  };
const ofBigint =
  (isIt: (value: bigint) => boolean, write: (value: bigint, to: Encoder) => void): Writer =>
  (value, to) => {
    if (typeof value !== "bigint" || !isIt(value)) return false;
    write(value, to);
    return true;
  };
const isU32 = (value: number) => value >>> 0 === value;
const isI32 = (value: number) => (value | 0) === value;
const isU64 = (value: bigint) => BigInt.asUintN(64, value) === value;
const isI64 = (value: bigint) => BigInt.asIntN(64, value) === value;

const writers: Readonly<Partial<Record<ScalarType, Writer>>> = {
  [ScalarType.UINT32]: ofNumber(isU32, (value, to) => to.varint(value)),
  [ScalarType.INT32]: ofNumber(isI32, (value, to) => (value < 0 ? to.varint64(BigInt(value)) : to.varint(value))),
  [ScalarType.SINT32]: ofNumber(isI32, (value, to) => to.varint(((value << 1) ^ (value >> 31)) >>> 0)),
  [ScalarType.FIXED32]: ofNumber(isU32, (value, to) => to.fixed32(value)),
  [ScalarType.UINT64]: ofBigint(isU64, (value, to) => to.varint64(value)),
  [ScalarType.INT64]: ofBigint(isI64, (value, to) => to.varint64(value)),
  [ScalarType.SINT64]: ofBigint(isI64, (value, to) => to.varint64((value << 1n) ^ (value >> 63n))),
  [ScalarType.FIXED64]: ofBigint(isU64, (value, to) => to.fixed64(value)),
  [ScalarType.BOOL](value, to) {
    if (typeof value !== "boolean") return false;
    to.varint(Number(value));
    return true;
  },
  [ScalarType.STRING](value, to) {
    if (typeof value !== "string") return false;
    to.text(value);
    return true;
  },
  [ScalarType.BYTES](value, to) {
    if (!(value instanceof Uint8Array)) return false;
    to.bytes(value);
    return true;
  },
};
