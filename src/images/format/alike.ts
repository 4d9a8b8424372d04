// Messages of which many are alike, as those of processes that were forked from one another: equal bytes are decoded once, and are one object.
import type { DescMessage } from "@bufbuild/protobuf";
import type { Values } from "./wire.js";

/** How many of a type are remembered. */
const MOST = 64;
/** What is shorter is decoded as fast as it is looked up. */
const FEWEST_BYTES = 16;

/** What was decoded lately. Nobody may change it. */
export class AlikeMessages {
  readonly #known = new Map<DescMessage, Map<string, Values>>();

  once(schema: DescMessage, bytes: Uint8Array, decode: () => Values): Values {
    if (bytes.byteLength < FEWEST_BYTES) return decode();
    const known = this.#known.get(schema) ?? new Map<string, Values>();
    this.#known.set(schema, known);
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
    const found = known.get(key);
    if (found !== undefined) return found;
    const message = decode();
    const [oldest] = known.keys();
    if (known.size >= MOST && oldest !== undefined) known.delete(oldest);
    known.set(key, message);
    return message;
  }
}
