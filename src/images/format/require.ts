// What protobuf-es does not check when it decodes: that required fields are there, and that text is UTF-8.
import { type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { invalid, type Place } from "./fault.js";

interface Plan {
  readonly required: readonly DescField[];
  /** Of the fields that have something to be checked, by name: text, or the type of a message. */
  readonly checked: ReadonlyMap<string, "text" | DescMessage>;
}

const plans = new Map<DescMessage, Plan>();

function planOf(schema: DescMessage): Plan {
  const known = plans.get(schema);
  if (known) return known;
  const { fields } = schema;
  const plan: Plan = {
    required: fields.filter(({ presence }) => presence === FeatureSet_FieldPresence.LEGACY_REQUIRED),
    checked: new Map(
      fields.flatMap(({ localName, message, scalar }): [string, "text" | DescMessage][] => {
        if (message !== undefined) return [[localName, message]];
        return scalar === ScalarType.STRING ? [[localName, "text"]] : [];
      }),
    ),
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
  // A FileEntry may have two dozen fields, and has three.
  for (const name of plan.checked.size === 0 ? NOTHING : Object.keys(message)) {
    const kind = plan.checked.get(name);
    if (kind === undefined) continue;
    for (const value of each(Reflect.get(message, name))) {
      if (kind !== "text") {
        if (isMessage(value)) checkMessage(kind, value, place, checked);
      } else if (typeof value === "string" && value.includes("\ufffd"))
        throw invalid(place, `the ${name} of its ${schema.name} is not UTF-8: ${JSON.stringify(value)}`);
    }
  }
  checked?.add(message);
}

/** A field's value or values; nothing for a message that is not there. */
const each = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined ? NOTHING : [value];
const NOTHING: readonly string[] = [];
const isMessage = (value: unknown): value is Message =>
  typeof value === "object" && value !== null && "$typeName" in value;
