// Any message of the schema, and any damage to bytes: for property tests.
import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const i32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const i64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const text = fc.string({ unit: "binary", maxLength: 12 }).filter((value) => !value.includes("\ufffd"));
const bytes = fc.uint8Array({ maxLength: 16 });

const scalars: Partial<Record<ScalarType, fc.Arbitrary<unknown>>> = {
  [ScalarType.UINT32]: u32,
  [ScalarType.INT32]: i32,
  [ScalarType.SINT32]: i32,
  [ScalarType.UINT64]: u64,
  [ScalarType.INT64]: i64,
  [ScalarType.SINT64]: i64,
  [ScalarType.FIXED64]: u64,
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.STRING]: text,
  [ScalarType.BYTES]: bytes,
};

function anyValueOf(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.enum) return fc.constantFrom(...field.enum.values.map(({ number }) => number));
  if (field.message) return messageOf(field.message, depth - 1);
  const arbitrary = field.scalar && scalars[field.scalar];
  if (!arbitrary) throw new Error(`no arbitrary for ${field}`);
  return arbitrary;
}

/** Any message of a type: required fields set, others sometimes. Messages within messages end at `depth`. */
export function messageOf<D extends DescMessage>(schema: D, depth = 4): fc.Arbitrary<Message> {
  const shape: Record<string, fc.Arbitrary<unknown>> = {};
  const required: string[] = [];
  for (const field of schema.fields) {
    const must = field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED;
    if (must) required.push(field.localName);
    else if (field.message && depth === 0) continue;
    const value = anyValueOf(field, depth);
    shape[field.localName] = field.fieldKind === "list" ? fc.array(value, { maxLength: 3 }) : value;
  }
  return fc.record(shape, { requiredKeys: required }).map((init) => create<DescMessage>(schema, init));
}

/** Bytes with some of them overwritten, cut off, doubled or left out. */
export function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.nat({ max: bytes.length });
  const overwrite = fc
    .array(fc.tuple(at, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
    .map((changes) => {
      const copy = bytes.slice();
      for (const [index, value] of changes) copy[index] = value;
      return copy;
    });
  const cut = at.map((length) => bytes.slice(0, length));
  const move = fc.tuple(at, at).map(([from, to]) => Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]));
  return fc.oneof(overwrite, cut, move);
}
