// How protobuf lies in bytes: protobuf.dev/programming-guides/encoding. What images have: proto2 without groups, maps, oneofs and floating point.
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

export const VARINT = 0;
export const BIT_64 = 1;
export const DELIMITED = 2;
export const BIT_32 = 5;

/** A field that this and its like cannot know: it is in no image format. */
export class NoImageField extends Error {}

const wires: Readonly<Partial<Record<ScalarType, number>>> = {
  [ScalarType.BOOL]: VARINT,
  [ScalarType.BYTES]: DELIMITED,
  [ScalarType.FIXED32]: BIT_32,
  [ScalarType.FIXED64]: BIT_64,
  [ScalarType.INT32]: VARINT,
  [ScalarType.INT64]: VARINT,
  [ScalarType.SINT32]: VARINT,
  [ScalarType.SINT64]: VARINT,
  [ScalarType.STRING]: DELIMITED,
  [ScalarType.UINT32]: VARINT,
  [ScalarType.UINT64]: VARINT,
};

/** What a field holds. */
export interface FieldShape {
  /** Of one value. */
  readonly wire: number;
  /** Undefined: a message. */
  readonly scalar: ScalarType | undefined;
  readonly message: DescMessage | undefined;
  readonly isList: boolean;
}

export function shapeOf(field: DescField): FieldShape {
  const isList = field.fieldKind === "list";
  if (
    field.fieldKind === "map" ||
    field.oneof !== undefined ||
    ("delimitedEncoding" in field && field.delimitedEncoding)
  )
    throw new NoImageField(`${field}`);
  if (field.message !== undefined) return { wire: DELIMITED, scalar: undefined, message: field.message, isList };
  const scalar = field.enum === undefined ? field.scalar : ScalarType.INT32;
  const wire = wires[scalar];
  if (wire === undefined) throw new NoImageField(`${field}`);
  return { wire, scalar, message: undefined, isList };
}

/** Fields of a message by name, as protobuf-es keeps them; those that are not there read as their defaults, from the prototype. */
export type Values = Record<string, unknown> & { $typeName: string; $unknown?: UnknownField[] };
export interface UnknownField {
  readonly no: number;
  readonly wireType: number;
  readonly data: Uint8Array;
}
