// Messages from bytes that we did not write. Ten thousand open files are as many messages, of several each: what is known of a type is found out
// once. What protobuf-es would not look at is checked on the way: required fields, wire types, and that text is UTF-8. Names in the kernel are bytes;
// the schema, like CRIU's, calls them strings. Bytes that are no UTF-8 decode to U+FFFD, from which there is no way back, so such a name is refused.
import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import type { AlikeMessages } from "./alike.js";
import { BIT_32, BIT_64, DELIMITED, type FieldShape, shapeOf, VARINT, type Values } from "./wire.js";

const MOST_DEPTH = 100;

/** What is the matter with a message, in a sentence. */
export class DecodeError extends Error {}
/** The bytes are no message at all. */
class Malformed extends Error {}

/** Throws DecodeError. Bytes fields point into `bytes`. With `alike` it and all messages in it may be those of other bytes: nobody may change them. */
export function decodeMessage<D extends DescMessage>(
  schema: D,
  bytes: Uint8Array,
  alike?: AlikeMessages,
): MessageShape<D> {
  const read = () => decoderOf(schema).read(new WireReader(bytes, alike), { end: bytes.length, depth: 0 });
  try {
    const message = alike === undefined ? read() : alike.once(schema, bytes, read);
    return message as unknown as MessageShape<D>;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new DecodeError(`its ${schema.name} does not decode (${error.message})`, { cause: error });
  }
}

const decoders = new Map<DescMessage, Decoder>();

function decoderOf(schema: DescMessage): Decoder {
  const known = decoders.get(schema);
  if (known !== undefined) return known;
  const made = new Decoder(schema);
  decoders.set(schema, made);
  return made;
}

interface DecodedField extends FieldShape {
  readonly name: string;
  readonly field: DescField;
  /** Of an enum: other numbers are kept as unknown fields. */
  readonly numbers: ReadonlySet<number> | undefined;
}

interface Extent {
  readonly end: number;
  readonly depth: number;
}

class Decoder {
  readonly #fields: (DecodedField | undefined)[] = [];
  readonly #required: readonly DescField[];
  readonly #lists: readonly string[];
  readonly #prototype: object;

  constructor(readonly schema: DescMessage) {
    for (const field of schema.fields) this.#fields[field.number] = decodedField(field);
    this.#required = schema.fields.filter(({ presence }) => presence === FeatureSet_FieldPresence.LEGACY_REQUIRED);
    this.#lists = schema.fields.filter(({ fieldKind }) => fieldKind === "list").map(({ localName }) => localName);
    this.#prototype = Object.getPrototypeOf(create(schema));
  }

  #empty(): Values {
    const message: Values = Object.create(this.#prototype);
    message.$typeName = this.schema.typeName;
    for (const name of this.#lists) message[name] = [];
    return message;
  }

  /** `message`: another part of it was there before. */
  read(from: WireReader, { end, depth }: Extent, message = this.#empty()): Values {
    if (depth > MOST_DEPTH) throw new Malformed(`it lies more than ${MOST_DEPTH} messages deep`);
    while (from.at < end) {
      const tag = from.tag();
      const field = this.#fields[tag >>> 3];
      if (field === undefined) keepUnknown(message, tag, from.skip(tag & 7));
      else if ((tag & 7) === field.wire) this.#readField(message, field, tag, from, depth);
      else this.#readPacked(message, field, tag, from);
    }
    if (from.at > end) throw new Malformed(`a ${this.schema.name} ends within a field`);
    for (const { localName, name } of this.#required)
      if (!Object.hasOwn(message, localName)) throw new DecodeError(`its ${this.schema.name} has no ${name}`);
    return message;
  }

  #readField(message: Values, field: DecodedField, tag: number, from: WireReader, depth: number): void {
    const { name, isList, scalar, numbers } = field;
    const value = scalar === undefined ? readChild(message, field, from, depth) : this.#readScalar(field, scalar, from);
    if (numbers !== undefined && !numbers.has(Number(value))) keepUnknown(message, tag, varintBytes(Number(value)));
    else if (isList) listIn(message, name).push(value);
    else message[name] = value;
  }

  /** Many numbers in one field, which a list may have in any case. */
  #readPacked(
    message: Values,
    { name, isList, scalar, wire, field }: DecodedField,
    tag: number,
    from: WireReader,
  ): void {
    if (!isList || scalar === undefined || wire === DELIMITED || (tag & 7) !== DELIMITED)
      throw new Malformed(`${field.name} of a ${this.schema.name} has wire type ${tag & 7}`);
    const items = listIn(message, name);
    for (const end = from.endOfDelimited(); from.at < end; ) items.push(from.scalar(scalar));
  }

  #readScalar({ name }: DecodedField, scalar: ScalarType, from: WireReader): unknown {
    if (scalar !== ScalarType.STRING) return from.scalar(scalar);
    const text = from.text();
    if (text.includes("\ufffd"))
      throw new DecodeError(`the ${name} of its ${this.schema.name} is not UTF-8: ${JSON.stringify(text)}`);
    return text;
  }
}

function decodedField(field: DescField): DecodedField {
  const closed: DescEnum | undefined = field.fieldKind === "enum" ? field.enum : undefined;
  const numbers = closed && new Set(closed.values.map(({ number }) => number));
  return { ...shapeOf(field), name: field.localName, field, numbers };
}

const listIn = (message: Values, name: string): unknown[] => message[name] as unknown[];

function readChild(message: Values, { name, isList, message: schema }: DecodedField, from: WireReader, depth: number) {
  const before = isList ? undefined : (message[name] as Values | undefined);
  const extent = { end: from.endOfDelimited(), depth: depth + 1 };
  if (schema === undefined) return undefined;
  const { alike, bytes, at } = from;
  const decoder = decoderOf(schema);
  if (alike === undefined) return decoder.read(from, extent, before);
  if (isList) return decoder.read(from, extent);
  if (before !== undefined) return decoder.read(from, extent, copyOf(before));
  const child = alike.once(schema, bytes.subarray(at, extent.end), () => decoder.read(from, extent));
  from.at = extent.end;
  return child;
}

function copyOf(message: Values): Values {
  const copy: Values = Object.assign(Object.create(Object.getPrototypeOf(message)), message);
  for (const [name, value] of Object.entries(message))
    if (Array.isArray(value)) copy[name] = value.map((item) => (isMessage(item) ? copyOf(item) : item));
    else if (isMessage(value)) copy[name] = copyOf(value);
  return copy;
}

const isMessage = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && "$typeName" in value;

function keepUnknown(message: Values, tag: number, data: Uint8Array): void {
  message.$unknown ??= [];
  message.$unknown.push({ no: tag >>> 3, wireType: tag & 7, data });
}

/** Of an int32. */
function varintBytes(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Uint8Array.from([...bytes, Number(rest)]);
}

class WireReader {
  at = 0;
  /** Most messages have nothing for which they are needed. */
  #view: DataView | undefined;
  #text: Buffer | undefined;
  /** The upper half of the varint that was read last. */
  #high = 0;

  constructor(
    readonly bytes: Uint8Array,
    readonly alike?: AlikeMessages,
  ) {}

  get #fixed(): DataView {
    this.#view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.#view;
  }

  tag(): number {
    const tag = this.#varint();
    if (this.#high !== 0 || tag >>> 3 === 0) throw new Malformed("a field has no number");
    return tag >>> 0;
  }

  /** The lower half of it, signed. */
  #varint(): number {
    const { bytes } = this;
    const first = bytes[this.at];
    if (first !== undefined && first < 0x80) {
      this.at++;
      this.#high = 0;
      return first;
    }
    return this.#longVarint();
  }

  #longVarint(): number {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) throw new Malformed("a number has no end");
      const bits = byte & 0x7f;
      if (shift < 32) low |= bits << shift;
      if (shift === 28) high = bits >>> 4;
      else if (shift > 28) high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.#high = high;
        return low;
      }
    }
    throw new Malformed("a number is more than ten bytes long");
  }

  /** Where what has its length before it ends. */
  endOfDelimited(): number {
    const length = this.#varint() >>> 0;
    const end = this.at + length;
    if (this.#high !== 0 || end > this.bytes.length)
      throw new Malformed(`${length} bytes follow, ${this.bytes.length - this.at} are there`);
    return end;
  }

  delimited(): Uint8Array {
    const end = this.endOfDelimited();
    const from = this.at;
    this.at = end;
    return this.bytes.subarray(from, end);
  }

  text(): string {
    const end = this.endOfDelimited();
    const from = this.at;
    this.at = end;
    this.#text ??= Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.#text.toString("utf8", from, end);
  }

  scalar(type: ScalarType): number | bigint | boolean | string | Uint8Array {
    switch (type) {
      case ScalarType.UINT32:
        return this.#varint() >>> 0;
      case ScalarType.INT32:
        return this.#varint() | 0;
      case ScalarType.UINT64:
        return this.#joined();
      case ScalarType.INT64:
        return BigInt.asIntN(64, this.#joined());
      case ScalarType.BOOL:
        return this.#varint() !== 0 || this.#high !== 0;
      case ScalarType.SINT32:
        return zigzag(this.#varint());
      case ScalarType.SINT64:
        return zigzag64(this.#joined());
      case ScalarType.FIXED32:
        return this.#fixed.getUint32(this.#take(4), true);
      case ScalarType.FIXED64:
        return this.#fixed.getBigUint64(this.#take(8), true);
      case ScalarType.BYTES:
        return this.delimited();
      default:
        return this.text();
    }
  }

  #joined(): bigint {
    const low = this.#varint() >>> 0;
    const high = this.#high >>> 0;
    return high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low);
  }

  #take(count: number): number {
    const from = this.at;
    if (from + count > this.bytes.length)
      throw new Malformed(`${count} bytes follow, ${this.bytes.length - from} are there`);
    this.at += count;
    return from;
  }

  /** The bytes of a field that nobody knows. */
  skip(wire: number): Uint8Array {
    const from = this.at;
    if (wire === VARINT) this.#varint();
    else if (wire === DELIMITED) this.delimited();
    else if (wire === BIT_64) this.#take(8);
    else if (wire === BIT_32) this.#take(4);
    else throw new Malformed(`a field has wire type ${wire}`);
    return this.bytes.subarray(from, this.at);
  }
}

const zigzag = (value: number): number => (value >>> 1) ^ -(value & 1);
const zigzag64 = (value: bigint): bigint => (value >> 1n) ^ -(value & 1n);
