// Many records of one type, encoded as one message that repeats them: for each message of its own the library makes a buffer, which takes longer
// than to fill it.
import { create, createFileRegistry, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { BinaryReader } from "@bufbuild/protobuf/wire";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";

/** From here on it is worth it. */
export const MANY_RECORDS = 64;
/** Of the length before each. */
export const U32_BYTES = 4;

/**
 * Lengths and payloads, as encodeRecord (record.ts) makes them one by one.
 * @throws Error with the name of a required field that was not set
 */
export function encodeRecords<D extends DescMessage>(schema: D, messages: readonly MessageShape<D>[]): Uint8Array {
  const repeating = repeatingOf(schema);
  const all = create(repeating);
  Reflect.set(all, FIELD, messages);
  const encoded = toBinary(repeating, all);
  // Four bytes of length in the place of a tag and one to five of length: at most two more.
  const records = new Uint8Array(encoded.byteLength + messages.length * U32_BYTES);
  const lengths = new DataView(records.buffer);
  const reader = new BinaryReader(encoded);
  let at = 0;
  while (reader.pos < reader.len) {
    reader.tag();
    const length = reader.uint32();
    lengths.setUint32(at, length, true);
    at += U32_BYTES;
    records.set(encoded.subarray(reader.pos, reader.pos + length), at);
    at += length;
    reader.pos += length;
  }
  return records.subarray(0, at);
}

const FIELD = "records";
const repeatings = new Map<DescMessage, DescMessage>();

/** `message Repeating { repeated SCHEMA records = 1; }` */
function repeatingOf(schema: DescMessage): DescMessage {
  const known = repeatings.get(schema);
  if (known !== undefined) return known;
  const field = {
    name: FIELD,
    number: 1,
    type: FieldDescriptorProto_Type.MESSAGE,
    label: FieldDescriptorProto_Label.REPEATED,
    typeName: `.${schema.typeName}`,
  };
  const { file } = schema;
  const { name } = file.proto;
  const own = create(FileDescriptorProtoSchema, {
    ...{ name: `repeating/${schema.typeName}`, syntax: "proto2", dependency: [name] },
    messageType: [{ name: "Repeating", field: [field] }],
  });
  const made = createFileRegistry(own, (path) => (path === name ? file : undefined)).getMessage("Repeating");
  if (made === undefined) throw new RangeError(`no message that repeats ${schema.typeName}`);
  repeatings.set(schema, made);
  return made;
}
