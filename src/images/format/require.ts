// What protobuf-es does not check when it decodes: that required fields are there, and that text is UTF-8.
import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { invalid, type Place } from "./fault.js";

interface Plan {
  readonly required: readonly DescField[];
  readonly texts: readonly string[];
  readonly messages: readonly { readonly field: string; readonly schema: DescMessage }[];
}

const plans = new Map<DescMessage, Plan>();

function planOf(schema: DescMessage): Plan {
  const known = plans.get(schema);
  if (known) return known;
  const { fields } = schema;
  const plan: Plan = {
    required: fields.filter(({ presence }) => presence === FeatureSet_FieldPresence.LEGACY_REQUIRED),
    texts: fields.filter(({ scalar }) => scalar === ScalarType.STRING).map(({ localName }) => localName),
    messages: fields.flatMap(({ localName, message }) => (message ? [{ field: localName, schema: message }] : [])),
  };
  plans.set(schema, plan);
  return plan;
}

/**
 * Names in the kernel are bytes; the schema, like CRIU's, calls them strings. Bytes that are no UTF-8 decode to U+FFFD,
 * from which there is no way back, so such a name is refused.
 * @param checked messages that need no look any more; what is well is added
 * @throws StasisError IMAGE_INVALID
 */
export function checkMessage(schema: DescMessage, message: Message, place: Place, checked?: WeakSet<Message>): void {
  if (checked?.has(message) === true) return;
  const plan = planOf(schema);
  // What isFieldSet() of protobuf-es finds out for a field with presence: without one, the value is the prototype's.
  for (const field of plan.required)
    if (!Object.hasOwn(message, field.localName)) throw invalid(place, `its ${schema.name} has no ${field.name}`);
  for (const name of plan.texts) {
    for (const text of each(Reflect.get(message, name))) {
      if (typeof text === "string" && text.includes("\ufffd")) {
        throw invalid(place, `the ${name} of its ${schema.name} is not UTF-8: ${JSON.stringify(text)}`);
      }
    }
  }
  for (const { field, schema: inner } of plan.messages) {
    for (const value of each(Reflect.get(message, field)))
      if (isMessage(value)) checkMessage(inner, value, place, checked);
  }
  checked?.add(message);
}

/** A field's value or values; nothing for a message that is not there. */
const each = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined ? NOTHING : [value];
/** Most of the two dozen messages that a FileEntry may have are not there. */
const NOTHING: readonly unknown[] = [];
const isMessage = (value: unknown): value is Message =>
  typeof value === "object" && value !== null && "$typeName" in value;
