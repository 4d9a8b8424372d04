// Images of which many are alike, as those of processes that were forked from one another: the same bytes are decoded once, and are one object.
// Cores differ in a few numbers and are equal in most of their parts; so the messages that a message consists of are looked for one by one.
import { type DescField, type DescMessage, fromBinary, type Message, type MessageShape } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { decodePlain } from "./decode.js";

/** How many of a type are remembered. */
const MOST = 64;
/** What is shorter is decoded as fast as it is looked up. */
const FEWEST_BYTES = 16;

/** A message without its parts, and these. */
interface Pieces {
  readonly own: Uint8Array;
  readonly parts: readonly { readonly field: DescField; readonly schema: DescMessage; readonly bytes: Uint8Array }[];
}

/** What was decoded lately. Nobody may change it. */
export class AlikeMessages {
  readonly #known = new Map<DescMessage, Map<string, Message>>();
  /** Those of which is known that nothing is missing: checkMessage. */
  readonly checked = new WeakSet<Message>();

  /** As fromBinary, with parts that other messages may have too. */
  decode<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D>;
  decode(schema: DescMessage, bytes: Uint8Array): Message {
    if (bytes.byteLength < FEWEST_BYTES) return this.#decodeWhole(schema, bytes);
    const known = this.#known.get(schema) ?? new Map<string, Message>();
    this.#known.set(schema, known);
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
    const found = known.get(key);
    if (found !== undefined) return found;
    const message = this.#decodeNew(schema, bytes);
    const [oldest] = known.keys();
    if (known.size >= MOST && oldest !== undefined) known.delete(oldest);
    known.set(key, message);
    return message;
  }

  #decodeNew(schema: DescMessage, bytes: Uint8Array): Message {
    const pieces = takeApart(schema, bytes);
    if (pieces === undefined) return this.#decodeWhole(schema, bytes);
    const message = fromBinary(schema, pieces.own);
    for (const { field, schema, bytes } of pieces.parts)
      Reflect.set(message, field.localName, this.decode(schema, bytes));
    return message;
  }

  #decodeWhole(schema: DescMessage, bytes: Uint8Array): Message {
    const plain = decodePlain(schema, bytes);
    if (plain === undefined) return fromBinary(schema, bytes);
    this.checked.add(plain);
    return plain;
  }
}

/** Undefined: it has no parts, or one of them twice, which count as one. */
function takeApart(schema: DescMessage, bytes: Uint8Array): Pieces | undefined {
  const parts = new Map<number, Pieces["parts"][number]>();
  const own: Uint8Array[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const from = reader.pos;
    const [number, wireType] = reader.tag();
    const field = partsOf(schema).get(number);
    if (field === undefined || wireType !== WireType.LengthDelimited) {
      reader.skip(wireType, number);
      own.push(bytes.subarray(from, reader.pos));
    } else if (parts.has(number)) return undefined;
    else parts.set(number, { ...field, bytes: reader.bytes() });
  }
  return parts.size === 0 ? undefined : { own: Buffer.concat(own), parts: [...parts.values()] };
}

type Part = Pick<Pieces["parts"][number], "field" | "schema">;
const knownParts = new Map<DescMessage, ReadonlyMap<number, Part>>();

/** The fields that are one message, by their number. */
function partsOf(schema: DescMessage): ReadonlyMap<number, Part> {
  const known = knownParts.get(schema);
  if (known !== undefined) return known;
  const parts = new Map(
    schema.fields.flatMap((field) =>
      field.fieldKind === "message" ? [[field.number, { field, schema: field.message }] as const] : [],
    ),
  );
  knownParts.set(schema, parts);
  return parts;
}
