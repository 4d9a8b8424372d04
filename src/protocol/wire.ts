// Checks the wire format before protobuf-es decodes: it takes a field by its number whatever the wire type is, CRIU's decoder refuses the
// whole message. Format: protobuf.dev/programming-guides/encoding
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";

const MAX_FIELD_NUMBER = 2 ** 29 - 1;
const MAX_VARINT_BYTES = 10;
const MAX_TAG_BYTES = 5;
const MAX_TAG = 0xffffffffn;
const MAX_DEPTH = 8;

/** What is wrong with `bytes` as a `message`, as part of a sentence; undefined: nothing. */
export function wireFault(bytes: Uint8Array, message: DescMessage): string | undefined {
  try {
    checkMessage(new Reader(bytes), message, 0);
    return undefined;
  } catch (error) {
    if (error instanceof WireFault) return error.message;
    throw error;
  }
}

class WireFault extends Error {}

/** A cursor over bytes that we did not write. */
class Reader {
  #at = 0;
  constructor(readonly bytes: Uint8Array) {}

  get done(): boolean {
    return this.#at >= this.bytes.byteLength;
  }

  /** Field number and wire type: 32 bits in at most 5 bytes, for CRIU's decoder as for protobuf-es, which throws. */
  tag(): bigint {
    const tag = this.varint(MAX_TAG_BYTES);
    if (tag > MAX_TAG) throw new WireFault(`it has a field number ${tag >> 3n}`);
    return tag;
  }

  varint(mostBytes = MAX_VARINT_BYTES): bigint {
    let value = 0n;
    for (let index = 0; index < mostBytes; index++) {
      const byte = this.bytes[this.#at++];
      if (byte === undefined) throw new WireFault("it ends in the middle of a number");
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return value;
    }
    throw new WireFault(`it has a number of more than ${mostBytes} bytes`);
  }

  take(lengthBytes: bigint): Uint8Array {
    const left = this.bytes.byteLength - this.#at;
    if (lengthBytes > BigInt(left)) throw new WireFault(`a field of it claims ${lengthBytes} bytes, ${left} are left`);
    const start = this.#at;
    this.#at += Number(lengthBytes);
    return this.bytes.subarray(start, this.#at);
  }
}

function checkMessage(reader: Reader, message: DescMessage, depth: number): void {
  if (depth > MAX_DEPTH) throw new WireFault("its messages are nested too deeply");
  while (!reader.done) {
    const tag = reader.tag();
    const number = Number(tag >> 3n);
    const wireType = Number(tag & 7n);
    if (number < 1 || number > MAX_FIELD_NUMBER) throw new WireFault(`it has a field number ${number}`);
    const field = message.fields.find((candidate) => candidate.number === number);
    if (field !== undefined && !allowed(field).includes(wireType))
      throw new WireFault(`its field ${field.name} has the wire type ${wireType}`);
    const content = skip(reader, wireType);
    if (content !== undefined && field?.message !== undefined)
      checkMessage(new Reader(content), field.message, depth + 1);
  }
}

/** Reads over one value; result: its bytes if it is length-delimited. */
function skip(reader: Reader, wireType: number): Uint8Array | undefined {
  switch (wireType) {
    case WireType.Varint:
      reader.varint();
      return undefined;
    case WireType.Bit64:
      reader.take(8n);
      return undefined;
    case WireType.Bit32:
      reader.take(4n);
      return undefined;
    case WireType.LengthDelimited:
      return reader.take(reader.varint());
    default:
      throw new WireFault(`it has the wire type ${wireType}, which criurpc does not use`);
  }
}

function allowed(field: DescField): readonly number[] {
  if (field.message !== undefined) return [WireType.LengthDelimited];
  const scalar = field.fieldKind === "list" ? field.scalar : field.fieldKind === "scalar" ? field.scalar : undefined;
  if (scalar === ScalarType.STRING || scalar === ScalarType.BYTES) return [WireType.LengthDelimited];
  return [WireType.Varint];
}
