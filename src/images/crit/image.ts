// An image as crit's JSON, {"magic": NAME, "entries": [...]}, and back to the same bytes. What follows a record in the file is its "extra".
import type { DescMessage } from "@bufbuild/protobuf";
import { StasisError } from "../../report/error.js";
import { type ImageRecord, recordsOf } from "../format/content.js";
import { GhostChunkEntrySchema, IpcMsgSchema, PagemapHeadSchema, type TcpStreamEntry } from "../format/entries.js";
import { invalid, truncated } from "../format/fault.js";
import {
  COMMON_MAGIC,
  imageKinds,
  imageNames,
  type RecordKind,
  type RecordName,
  SERVICE_MAGIC,
} from "../format/magic.js";
import { Bytes, encodeHead, encodeRecord } from "../format/record.js";
import { isList, isObject, type Json, type JsonObject } from "./json.js";
import { jsonToMessage, messageToJson } from "./message.js";
import { fromBase64, toBase64 } from "./text.js";

export interface DecodeOptions {
  /** Numbers as people read them. */
  readonly pretty?: boolean;
  /** false: of bytes behind a record only how many there are. */
  readonly payload?: boolean;
}

/** `file`: for messages. @throws StasisError */
export function decodeImage(bytes: Uint8Array, file: string, options: DecodeOptions = {}): JsonObject {
  const name = kindOf(bytes, file);
  const entries: JsonObject[] = [];
  const messages: Json[] = [];
  for (const record of recordsOf(name, file, new Bytes(bytes))) {
    if (record.schema === IpcMsgSchema) {
      messages.push(messageToJson(record.schema, record.message, false), toBase64(record.blob ?? new Uint8Array()));
      continue;
    }
    const shown = messageToJson(record.schema, record.message, options.pretty === true);
    entries.push({ ...shown, ...extraOf(name, record, options) });
  }
  return { magic: imageKinds[name].crit, entries: name === "ipcns-msg" ? withMessages(entries, messages) : entries };
}

/** Each queue has its own, in order. */
function withMessages(queues: readonly JsonObject[], messages: Json[]): JsonObject[] {
  return queues.map((queue) => ({ ...queue, extra: messages.splice(0, Number(queue["qnum"] ?? 0) * 2) }));
}

/** Which kind has this magic: some share a name, and then their form. */
function kindOf(bytes: Uint8Array, file: string): RecordName {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < WORD) throw truncated({ file }, "it ends before its first record");
  const first = view.getUint32(0, true);
  const headed = first === COMMON_MAGIC || first === SERVICE_MAGIC;
  if (headed && bytes.length < 2 * WORD) throw truncated({ file }, "it ends before its first record");
  const magic = headed ? view.getUint32(WORD, true) : first;
  return find(({ magic: known }) => known === magic) ?? wrongMagic(file, magic);
}
const WORD = 4;

function wrongMagic(file: string, magic: number): never {
  throw new StasisError({
    code: "IMAGE_INVALID",
    doing: "read the image",
    subject: { kind: "image", file },
    reason: `its magic 0x${magic.toString(16)} is none that is known`,
    remedy: "memory (pages-N.img) and what other programs wrote have no records",
  });
}

function find(holds: (kind: RecordKind) => boolean): RecordName | undefined {
  const isWanted = (name: (typeof imageNames)[number]): name is RecordName => {
    const kind = imageKinds[name];
    return kind.records && holds(kind);
  };
  return imageNames.find(isWanted);
}

function extraOf(name: RecordName, { message, blob }: ImageRecord, { payload = true }: DecodeOptions): JsonObject {
  if (blob === undefined) return {};
  if (!payload) return name === "ghost-file" ? {} : { extra: `... <${humanBytes(blob.length)}>` };
  if (name === "tcp-stream") {
    const { inqLen } = tcpStream(message);
    return { extra: { inq: toBase64(blob.subarray(0, inqLen)), outq: toBase64(blob.subarray(inqLen)) } };
  }
  if (name !== "ipcns-sem") return { extra: toBase64(blob) };
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  return { extra: Array.from({ length: blob.length / 2 }, (_, at) => view.getUint16(at * 2, true)) };
}

const tcpStream = (message: object): Pick<TcpStreamEntry, "inqLen"> =>
  "inqLen" in message && typeof message.inqLen === "number" ? { inqLen: message.inqLen } : { inqLen: 0 };

const UNITS = ["", "K", "M", "G", "T"];
function humanBytes(bytes: number): string {
  const unit = Math.min(UNITS.length - 1, bytes < 1024 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** unit;
  return `${Number.isInteger(value) ? value : value.toFixed(1)}${UNITS[unit]}B`;
}

/** The bytes of the image that `decodeImage` shows as `json`. @throws StasisError */
export function encodeImage(json: Json): Uint8Array {
  const { magic, entries } = isObject(json) ? json : {};
  const name = typeof magic === "string" ? find(({ crit }) => crit === magic) : undefined;
  const file = typeof magic === "string" ? magic : "the JSON";
  if (name === undefined) throw invalid({ file }, `there is no image with the magic ${JSON.stringify(magic ?? null)}`);
  if (!isList(entries)) throw invalid({ file }, "it has no list of entries");
  const kind = imageKinds[name];
  const parts = entries.map((entry, record) => encodeEntry(name, entry, { file, record }));
  return Uint8Array.from(Buffer.concat([encodeHead(kind), ...parts.flat()]));
}

interface Place {
  readonly file: string;
  readonly record: number;
}

function encodeEntry(name: RecordName, entry: Json, place: Place): Uint8Array[] {
  if (!isObject(entry)) throw invalid(place, "it is no JSON object");
  const schema = schemaOf(name, place.record);
  const head = encodeRecord(schema, jsonToMessage(schema, entry, place));
  const { extra } = entry;
  return extra === undefined ? [head] : [head, ...encodeExtra(name, extra, place)];
}

function schemaOf(name: RecordName, record: number): DescMessage {
  if (name === "pagemap" && record === 0) return PagemapHeadSchema;
  if (name === "ghost-file" && record > 0) return GhostChunkEntrySchema;
  return imageKinds[name].message;
}

function encodeExtra(name: RecordName, extra: Json, place: Place): Uint8Array[] {
  const wrong = () => invalid(place, "its extra is not what it should be");
  if (name === "ipcns-msg" && isList(extra)) return extra.map((item, at) => encodeMessagePart(extra, item, at, place));
  if (name === "ipcns-sem" && isList(extra)) {
    const bytes = new Uint8Array(Uint16Array.from(extra.map(Number)).buffer);
    return [filledUp(bytes, 8)];
  }
  if (isObject(extra)) {
    const { inq, outq } = extra;
    if (name !== "tcp-stream" || typeof inq !== "string" || typeof outq !== "string") throw wrong();
    return [fromBase64(inq), fromBase64(outq)];
  }
  if (typeof extra !== "string") throw wrong();
  return [filledUp(fromBase64(extra), name === "ipcns-shm" ? 4 : 1)];
}

/** A message, or the bytes behind it. */
function encodeMessagePart(extra: readonly Json[], item: Json, at: number, place: Place): Uint8Array {
  if (at % 2 === 0) return encodeRecord(IpcMsgSchema, jsonToMessage(IpcMsgSchema, item, place));
  if (typeof item !== "string" || extra[at - 1] === undefined)
    throw invalid(place, "its extra is not what it should be");
  return filledUp(fromBase64(item), 8);
}

function filledUp(bytes: Uint8Array, alignment: number): Uint8Array {
  const filled = new Uint8Array(Math.ceil(bytes.length / alignment) * alignment);
  filled.set(bytes);
  return filled;
}

/** Kind and number of records: what `crit info` tells. @throws StasisError */
export function imageInfo(bytes: Uint8Array, file: string): JsonObject {
  const { magic = null, entries } = decodeImage(bytes, file, { payload: false });
  const count = isList(entries) ? entries.length : 0;
  return { magic, count: magic === "PAGEMAP" ? count - 1 : count };
}
