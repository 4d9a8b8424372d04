// Messages as crit's JSON and back: fields by number, names of enums, bytes as text. `pretty`: numbers as people read them; both are read.
import {
  create,
  type DescField,
  type DescMessage,
  isFieldSet,
  type Message,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { invalid, type Place } from "../format/fault.js";
import { readAddress, showAddress } from "./address.js";
import { isList, isObject, type Json, type JsonObject } from "./json.js";
import { integer, type Manner, mannerOf, readDevice, readFlags, showDevice, showFlags } from "./pretty.js";
import { fromBase64, fromQuotedPrintable, toBase64, toQuotedPrintable } from "./text.js";

export const isMessage = (value: unknown): value is Message =>
  typeof value === "object" && value !== null && "$typeName" in value;

const byNumber = ({ fields }: DescMessage) => [...fields].sort((a, b) => a.number - b.number);
/** The only bytes that are not base64. */
const isSocketName = (schema: DescMessage, field: DescField) => schema.name === "UnixSkEntry" && field.name === "name";

/** `inHex`: for fields that have no manner of their own; a message hands it down. */
export function messageToJson(schema: DescMessage, message: Message, pretty: boolean, inHex = false): JsonObject {
  const shown = byNumber(schema).flatMap((field): [string, Json][] => {
    if (!isFieldSet(message, field)) return [];
    const value: unknown = Reflect.get(message, field.localName);
    const manner = mannerOf(schema.name, field.name);
    const hex = pretty && (inHex || manner?.as === "hex");
    const one = (item: unknown) =>
      valueToJson(schema, field, item, { pretty, hex, manner: pretty ? manner : undefined });
    if (!Array.isArray(value)) return [[field.name, one(value)]];
    if (pretty && manner?.as === "address") return [[field.name, [showAddress(value.map(Number))]]];
    return [[field.name, value.map(one)]];
  });
  return Object.fromEntries(shown);
}

interface Showing {
  readonly pretty: boolean;
  readonly hex: boolean;
  readonly manner: Manner | undefined;
}

function valueToJson(schema: DescMessage, field: DescField, value: unknown, { pretty, hex, manner }: Showing): Json {
  if (isMessage(value) && field.message !== undefined) return messageToJson(field.message, value, pretty, hex);
  if (value instanceof Uint8Array) return isSocketName(schema, field) ? toQuotedPrintable(value) : toBase64(value);
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value !== "number" && typeof value !== "bigint") return null;
  if (field.enum !== undefined) return field.enum.value[Number(value)]?.name ?? value;
  if (hex) return `0x${value.toString(16)}`;
  const number = BigInt(value);
  if (manner?.as === "device") return showDevice(number, manner.encoding);
  if (manner?.as === "flags") return showFlags(manner.names, number);
  if (manner?.as === "name") return manner.names.find(([, known]) => BigInt(known) === number)?.[0] ?? value;
  return value;
}

/** @throws StasisError IMAGE_INVALID for what does not fit the message */
export function jsonToMessage<D extends DescMessage>(schema: D, json: Json | undefined, place: Place): MessageShape<D> {
  const wrong = (field: string) => invalid(place, `the ${field} of its ${schema.name} is not what it should be`);
  if (!isObject(json)) throw invalid(place, `its ${schema.name} is no JSON object`);
  const message = create(schema);
  for (const field of schema.fields) {
    if (!Object.hasOwn(json, field.name)) continue;
    const given = json[field.name];
    const one = (item: Json | undefined) => jsonToValue(schema, field, item, place) ?? wrongly(wrong(field.name));
    const isRepeated = field.fieldKind === "list";
    if (isRepeated && !isList(given)) throw wrong(field.name);
    const value = isRepeated && isList(given) ? (addressIn(schema, field, given) ?? given.map(one)) : one(given);
    Reflect.set(message, field.localName, value);
  }
  return message;
}

function wrongly(error: Error): never {
  throw error;
}

function addressIn(schema: DescMessage, field: DescField, given: readonly Json[]): readonly number[] | undefined {
  const [text] = given;
  return typeof text === "string" && mannerOf(schema.name, field.name)?.as === "address"
    ? readAddress(text)
    : undefined;
}

function jsonToValue(schema: DescMessage, field: DescField, json: Json | undefined, place: Place): unknown {
  if (field.message !== undefined) return jsonToMessage(field.message, json, place);
  if (field.enum !== undefined && typeof json === "string")
    return field.enum.values.find(({ name }) => name === json)?.number;
  const scalar = field.scalar ?? ScalarType.INT32; // an enum by its number
  if (scalar === ScalarType.STRING) return typeof json === "string" ? json : undefined;
  if (scalar === ScalarType.BOOL) return typeof json === "boolean" ? json : undefined;
  if (scalar === ScalarType.BYTES) {
    if (typeof json !== "string") return undefined;
    return isSocketName(schema, field) ? fromQuotedPrintable(json) : fromBase64(json);
  }
  const number = typeof json === "string" ? numberIn(json, mannerOf(schema.name, field.name)) : json;
  if (typeof number !== "number" && typeof number !== "bigint") return undefined;
  return fitting(scalar, number);
}

function numberIn(text: string, manner: Manner | undefined): bigint | undefined {
  if (manner?.as === "device") return readDevice(text, manner.encoding);
  if (manner?.as === "flags") return readFlags(manner.names, text);
  const named = manner?.as === "name" ? manner.names.find(([name]) => name === text)?.[1] : undefined;
  return named === undefined ? integer(text) : BigInt(named);
}

const ranges: Readonly<Partial<Record<ScalarType, readonly [least: bigint, most: bigint]>>> = {
  [ScalarType.INT32]: [-(1n << 31n), (1n << 31n) - 1n],
  [ScalarType.SINT32]: [-(1n << 31n), (1n << 31n) - 1n],
  [ScalarType.SFIXED32]: [-(1n << 31n), (1n << 31n) - 1n],
  [ScalarType.UINT32]: [0n, (1n << 32n) - 1n],
  [ScalarType.FIXED32]: [0n, (1n << 32n) - 1n],
  [ScalarType.INT64]: [-(1n << 63n), (1n << 63n) - 1n],
  [ScalarType.SINT64]: [-(1n << 63n), (1n << 63n) - 1n],
  [ScalarType.SFIXED64]: [-(1n << 63n), (1n << 63n) - 1n],
  [ScalarType.UINT64]: [0n, (1n << 64n) - 1n],
  [ScalarType.FIXED64]: [0n, (1n << 64n) - 1n],
};
const LARGEST_WORD = 1n << 32n;

/** As protobuf-es has it: 64-bit values are bigint. Undefined: out of range. */
function fitting(scalar: ScalarType, number: number | bigint): number | bigint | undefined {
  const range = ranges[scalar];
  if (range === undefined || !Number.isInteger(Number(number))) return undefined;
  const value = BigInt(number);
  const [least, most] = range;
  if (value < least || value > most) return undefined;
  return most < LARGEST_WORD ? Number(value) : value;
}
