// The kinds of values that options have. Each function makes a row of the table.
import type { CriuOpts } from "../protocol/gen/rpc_pb.js";
import { type About, BadText, type Objection, type Option, type RpcField, sent } from "./option.js";

/** Fields of CriuOpts whose value is a T. */
type FieldOf<T> = { [K in RpcField]: CriuOpts[K] extends T ? K : never }[RpcField];

const common = <T>({ cli, short, rpc, applies, summary }: About) => ({
  cli,
  ...(short === undefined ? {} : { short }),
  rpc,
  applies,
  summary,
  merge: (_earlier: T, later: T) => later,
  objection: (_value: T): Objection | undefined => undefined,
});

export function flag(about: About<FieldOf<boolean>>): Option<boolean> {
  return {
    ...common<boolean>(about),
    argument: "none",
    default: false,
    fromRpc: (opts) => sent(opts, about.rpc),
    fromText: (text) => text !== "no",
  };
}

interface Range {
  readonly least: number;
  readonly most?: number;
}
/** A whole number, in decimal. */
export function integer<D extends number | undefined>(
  about: About<FieldOf<number>> & { readonly default: D; readonly range: Range },
): Option<number | D> {
  const { least, most = 2 ** 31 - 1 } = about.range;
  return {
    ...common<number | D>(about),
    argument: "required",
    default: about.default,
    fromRpc: (opts) => sent(opts, about.rpc),
    fromText(text) {
      const value = Number(text);
      if (/^-?\d+$/.test(text) && value >= least && value <= most) return value;
      throw new BadText(`${JSON.stringify(text)} is not a whole number from ${least} to ${most}`);
    },
  };
}

const units: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
/** A number of bytes: "4096", "8M". */
export function sizeBytes(about: About<FieldOf<number>> & { readonly default: number }): Option<number> {
  return {
    ...common<number>(about),
    argument: "required",
    default: about.default,
    fromRpc: (opts) => sent(opts, about.rpc),
    fromText(text) {
      const [, digits, unit = ""] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
      const factor = units[unit.toUpperCase()];
      if (digits !== undefined && factor !== undefined) return Number(digits) * factor;
      throw new BadText(`${JSON.stringify(text)} is not a size; write bytes, or a number with K, M or G`);
    },
  };
}

/** A name or a path. NUL cannot be part of one. */
export function text(about: About<FieldOf<string>>): Option<string | undefined> {
  return {
    ...common<string | undefined>(about),
    argument: "required",
    default: undefined,
    fromRpc: (opts) => sent(opts, about.rpc),
    fromText: (value) => value,
    objection: (value) => (value?.includes("\0") ? { kind: "invalid", reason: "it has a NUL character in it" } : undefined),
  };
}

interface Lists<T> {
  readonly item: (text: string) => T;
  readonly fromRpc?: (opts: CriuOpts) => readonly T[] | undefined;
}
/** An option that may be given more than once. */
export function list<T>(about: About, { item, fromRpc }: Lists<T>): Option<readonly T[]> {
  return {
    ...common<readonly T[]>(about),
    argument: "required",
    default: [],
    fromRpc: fromRpc ?? (() => undefined),
    fromText: (one) => [item(one)],
    merge: (earlier, later) => [...earlier, ...later],
  };
}

interface Choices {
  /** The words of the command line and the numbers of the enum. */
  readonly values: Readonly<Record<string, number>>;
  /** What the option means without its argument; absent: it needs one. */
  readonly bare?: string;
  readonly default: number;
  readonly supported: readonly number[];
  readonly otherwise: { readonly reason: string; readonly remedy: string };
}
/** One of a few words. */
export function choice(about: About<FieldOf<number>>, choices: Choices): Option<number> {
  const { values, bare, supported, otherwise } = choices;
  const words = Object.keys(values).join(", ");
  return {
    ...common<number>(about),
    argument: bare === undefined ? "required" : "optional",
    default: choices.default,
    fromRpc: (opts) => sent(opts, about.rpc),
    fromText(given) {
      const value = values[given === "" && bare !== undefined ? bare : given];
      if (value !== undefined) return value;
      throw new BadText(`${JSON.stringify(given)} is none of ${words}`);
    },
    objection(value) {
      if (supported.includes(value)) return undefined;
      if (Object.values(values).includes(value)) return { kind: "unsupported", ...otherwise };
      return { kind: "invalid", reason: `its value ${value} is none that is known` };
    },
  };
}
