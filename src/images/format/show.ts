// Images as text for people: one printer for all messages. How a number is meant is an option on its field in
// proto/images (show.proto), so nothing here knows a kind by name.
import { type DescField, type DescMessage, getOption, hasOption, isFieldSet, type Message } from "@bufbuild/protobuf";
import { Show, show, show_flags, show_name } from "./entries.js";
import { flagSets, nameLists, showFlags, showName } from "./names.js";

/**
 * One line a field; messages inside are indented, an element of a list starts with a dash. Fields that the image does
 * not have are left out.
 */
export function showMessage(schema: DescMessage, message: Message): string[] {
  return lines(schema, message, undefined);
}

/** `meant`: how numbers in it are shown that have no option of their own, e.g. registers. */
function lines(schema: DescMessage, message: Message, meant: Show | undefined): string[] {
  return schema.fields.flatMap((field) => {
    const value: unknown = Reflect.get(message, field.localName);
    return isFieldSet(message, field) ? fieldLines(field, value, meant) : [];
  });
}

function fieldLines(field: DescField, value: unknown, inherited: Show | undefined): string[] {
  const { name, message } = field;
  const meant = hasOption(field, show) ? getOption(field, show) : inherited;
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (!message) {
    const words =
      meant === Show.IP_ADDRESS ? [ipAddress(values.map(Number))] : values.map((one) => word(field, one, meant));
    return [`${name}: ${words.join(" ")}`];
  }
  const inner = values.map((one) => (isMessage(one) ? lines(message, one, meant) : []));
  if (field.fieldKind !== "list") return [`${name}:`, ...inner.flat().map((line) => `  ${line}`)];
  return [
    `${name}:`,
    ...inner.flatMap((one) => one.map((line, index) => (index === 0 ? `  - ${line}` : `    ${line}`))),
  ];
}

const isMessage = (value: unknown): value is Message =>
  typeof value === "object" && value !== null && "$typeName" in value;

/** One value that is no message. */
function word(field: DescField, value: unknown, meant: Show | undefined): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Uint8Array) return meant === Show.SOCKET_NAME ? socketName(value) : bytes(value);
  if (typeof value !== "number" && typeof value !== "bigint") return String(value);
  if (field.enum) return field.enum.value[Number(value)]?.name ?? String(value);
  if (hasOption(field, show_flags)) return showFlags(flagSets[getOption(field, show_flags)] ?? {}, BigInt(value));
  if (hasOption(field, show_name)) return named(getOption(field, show_name), BigInt(value));
  return numberAs(BigInt(value), meant);
}

const named = (list: string, value: bigint) =>
  list === "mode" ? `0${value.toString(8)}` : showName(nameLists[list] ?? {}, value);

function numberAs(value: bigint, meant: Show | undefined): string {
  switch (meant) {
    case Show.HEX:
    case Show.ADDRESS:
      return `0x${value.toString(16)}`;
    case Show.KERNEL_DEVICE:
      return `${value >> 20n}:${value & 0xfffffn}`;
    case Show.DEVICE:
      // gnu_dev_major and gnu_dev_minor, makedev(3).
      return `${((value >> 8n) & 0xfffn) | ((value >> 32n) & ~0xfffn)}:${(value & 0xffn) | ((value >> 12n) & ~0xffn)}`;
    default:
      return String(value);
  }
}

/** A word holds four bytes of the address, the first one lowest. */
function ipAddress(words: readonly number[]): string {
  const octets = words.flatMap((one) => [one & 255, (one >>> 8) & 255, (one >>> 16) & 255, one >>> 24]);
  if (words.length !== 4) return octets.join(".");
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((octets[at * 2] ?? 0) << 8) | (octets[at * 2 + 1] ?? 0)).toString(16),
  );
  return groups.join(":");
}

const text = (value: Uint8Array) => JSON.stringify(new TextDecoder().decode(value));
const socketName = (name: Uint8Array) => (name[0] === 0 ? `@${text(name.subarray(1))}` : text(name));
const bytes = (value: Uint8Array) =>
  `${value.length} bytes ${Array.from(value.subarray(0, 32), (one) => one.toString(16).padStart(2, "0")).join("")}${value.length > 32 ? "…" : ""}`;
