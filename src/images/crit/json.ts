// JSON as Python's json module writes it, which is what crit(1) prints: integers of any size, ASCII only, a space behind commas and colons.
// JSON.parse would round 64-bit numbers.
import { StasisError } from "../../report/error.js";

export type Json = null | boolean | number | bigint | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [name: string]: Json;
}
export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
export const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

/** `indent`: spaces a level; absent: all on one line. */
export function writeJson(value: Json, indent?: number, depth = 0): string {
  if (typeof value === "string") return quote(value);
  if (!isList(value) && !isObject(value)) return String(value);
  const [open, close] = isList(value) ? ["[", "]"] : ["{", "}"];
  const inner = (one: Json) => writeJson(one, indent, depth + 1);
  const items = isList(value)
    ? value.map(inner)
    : Object.entries(value).map(([name, one]) => `${quote(name)}: ${inner(one)}`);
  if (items.length === 0) return open + close;
  if (indent === undefined) return `${open}${items.join(", ")}${close}`;
  const margin = (level: number) => `\n${" ".repeat(indent * level)}`;
  return `${open}${margin(depth + 1)}${items.join(`,${margin(depth + 1)}`)}${margin(depth)}${close}`;
}

const quote = (text: string) =>
  JSON.stringify(text).replaceAll(/[\u007f-\uffff]/g, (unit) =>
    unit === "\u007f" ? unit : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** No image is nested deeper. */
const MAX_DEPTH = 64;
const TOKEN = /\s*(?:(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|("(?:[^"\\]|\\.)*")|(true|false|null)|([[\]{},:]))/y;

/** @throws StasisError IMAGE_INVALID that says where */
export function readJson(text: string): Json {
  const reader = new JsonReader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

class JsonReader {
  #at = 0;
  constructor(readonly text: string) {}

  value(depth: number): Json {
    if (depth > MAX_DEPTH) throw this.#wrong("it is nested too deeply");
    const [, number, quoted, word, mark] = this.#next();
    if (number !== undefined) return /^-?\d+$/.test(number) ? BigInt(number) : Number(number);
    if (quoted !== undefined) return this.#unquoted(quoted);
    if (word !== undefined) return word === "null" ? null : word === "true";
    if (mark === "[") return this.#list(depth);
    if (mark === "{") return this.#object(depth);
    throw this.#wrong(`a value has to be there, not ${JSON.stringify(mark)}`);
  }

  end(): void {
    if (/\S/.test(this.text.slice(this.#at))) throw this.#wrong("something follows the value");
  }

  #list(depth: number): Json[] {
    const items: Json[] = [];
    if (this.#took("]")) return items;
    for (;;) {
      items.push(this.value(depth + 1));
      if (this.#took("]")) return items;
      this.#expect(",");
    }
  }

  #object(depth: number): JsonObject {
    const entries: [string, Json][] = [];
    if (this.#took("}")) return {};
    for (;;) {
      const [, , quoted] = this.#next();
      if (quoted === undefined) throw this.#wrong("a name has to be there");
      this.#expect(":");
      entries.push([this.#unquoted(quoted), this.value(depth + 1)]);
      if (this.#took("}")) return Object.fromEntries(entries);
      this.#expect(",");
    }
  }

  #unquoted(quoted: string): string {
    try {
      return String(JSON.parse(quoted));
    } catch (error) {
      if (error instanceof SyntaxError) throw this.#wrong("a text cannot be read");
      throw error;
    }
  }

  #next(): RegExpExecArray {
    TOKEN.lastIndex = this.#at;
    const token = TOKEN.exec(this.text);
    if (token === null) throw this.#wrong("it cannot be read");
    this.#at = TOKEN.lastIndex;
    return token;
  }

  #took(mark: string): boolean {
    const before = this.#at;
    TOKEN.lastIndex = before;
    const token = TOKEN.exec(this.text);
    if (token?.[4] !== mark) return false;
    this.#at = TOKEN.lastIndex;
    return true;
  }

  #expect(mark: string): void {
    if (!this.#took(mark)) throw this.#wrong(`${JSON.stringify(mark)} has to be there`);
  }

  #wrong(reason: string): StasisError {
    return new StasisError({
      code: "IMAGE_INVALID",
      doing: "read",
      subject: { kind: "host", what: "the JSON" },
      reason: `at character ${this.#at}: ${reason}`,
    });
  }
}
