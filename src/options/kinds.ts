// The kinds of values that options have. Each function makes a row of the table.
import type { CriuOpts } from "../protocol/gen/rpc_pb.js";
import { type About, BadText, type Objection, type Operation, type Option, type RpcField, sent } from "./option.js";

/** Fields of CriuOpts whose value is a T, or none. */
type Field<T> = { [K in RpcField]: CriuOpts[K] extends T ? K : never }[RpcField] | undefined;
/** A row without the field of CriuOpts, which only the type of the function that makes it knows. */
type Row<T> = Omit<Option<T>, "rpc" | "applies">;

const row = <T, R extends RpcField | undefined, A extends Operation>(
  { rpc, ...about }: About<R, A>,
  kind: Partial<Row<T>> & Pick<Row<T>, "argument" | "default" | "fromText" | "fromRpc">,
): Option<T, R, A> => ({
  cli: undefined,
  merge: (_earlier, later) => later,
  objection: () => undefined,
  ...kind,
  ...about,
  // Absent and undefined are the same R.
  rpc: rpc as R,
});

/** `onlyOn`: over RPC, false says nothing: it does not turn off what a configuration file turned on. So CRIU has it for some. */
export function flag<A extends Operation, const R extends Field<boolean> = undefined>(
  about: About<R, A>,
  { onlyOn = false }: { readonly onlyOn?: boolean } = {},
): Option<boolean, R, A> {
  return row(about, {
    argument: "none",
    default: false,
    fromRpc(opts) {
      const value = booleanIn(opts, about.rpc);
      return onlyOn && value === false ? undefined : value;
    },
    fromText: (text) => text !== "no",
  });
}
const booleanIn = (opts: CriuOpts, field: Field<boolean>): boolean | undefined => sent(opts, field);
const numberIn = (opts: CriuOpts, field: Field<number>): number | undefined => sent(opts, field);
const stringIn = (opts: CriuOpts, field: Field<string>): string | undefined => sent(opts, field);

interface Range {
  readonly least: number;
  readonly most?: number;
}
/** A whole number, in decimal. */
export function integer<D extends number | undefined, A extends Operation, const R extends Field<number> = undefined>(
  about: About<R, A>,
  { least, most = 2 ** 31 - 1, ...rest }: Range & { readonly default: D },
): Option<number | D, R, A> {
  return row<number | D, R, A>(about, {
    argument: "required",
    placeholder: "N",
    default: rest.default,
    fromRpc: (opts) => numberIn(opts, about.rpc),
    fromText(text) {
      const value = Number(text);
      if (/^-?\d+$/.test(text) && value >= least && value <= most) return value;
      throw new BadText(`${JSON.stringify(text)} is not a whole number from ${least} to ${most}`);
    },
  });
}

/** How much is logged: a bare -v is level 1, each further v one more; "4" is 4, and what is no number is 0, as CRIU reads it. */
export function verbosity<A extends Operation, const R extends Field<number> = undefined>(
  about: About<R, A>,
  fallback: number,
): Option<number, R, A> {
  return row<number, R, A>(about, {
    argument: "optional",
    placeholder: "LEVEL",
    default: fallback,
    fromRpc: (opts) => numberIn(opts, about.rpc),
    fromText: (text) => (/^v*$/.test(text) ? text.length + 1 : Number.parseInt(text, 10) || 0),
  });
}

const units: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
/** A number of bytes: "4096", "8M". */
export function sizeBytes<A extends Operation, const R extends Field<number> = undefined>(
  about: About<R, A>,
  fallback: number,
): Option<number, R, A> {
  return row<number, R, A>(about, {
    argument: "required",
    placeholder: "SIZE",
    default: fallback,
    fromRpc: (opts) => numberIn(opts, about.rpc),
    fromText(text) {
      const [, digits, unit = ""] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
      const factor = units[unit.toUpperCase()];
      if (digits !== undefined && factor !== undefined) return Number(digits) * factor;
      throw new BadText(`${JSON.stringify(text)} is not a size; write bytes, or a number with K, M or G`);
    },
  });
}

/** Bytes that are not UTF-8 have become this character: what they named is not known any more. */
const REPLACED = "\uFFFD";

function objectionToText(value: string): Objection | undefined {
  if (value.includes("\0")) return { kind: "invalid", reason: "it has a NUL character in it" };
  return value.includes(REPLACED) ? { kind: "invalid", reason: "it is not written in UTF-8" } : undefined;
}

/** A name or a path. */
export function text<A extends Operation, const R extends Field<string> = undefined>(
  about: About<R, A>,
): Option<string | undefined, R, A> {
  return row<string | undefined, R, A>(about, {
    argument: "required",
    placeholder: "TEXT",
    default: undefined,
    fromRpc: (opts) => stringIn(opts, about.rpc),
    fromText: (value) => value,
    objection: (value) => (value === undefined ? undefined : objectionToText(value)),
  });
}

interface Items<T> {
  readonly item: (text: string) => T;
  readonly fromRpc?: (opts: CriuOpts) => readonly T[] | undefined;
}
/** An option that may be given more than once. */
export function list<T, A extends Operation, const R extends RpcField | undefined = undefined>(
  about: About<R, A>,
  items: Items<T>,
): Option<readonly T[], R, A> {
  return row<readonly T[], R, A>(about, {
    argument: "required",
    placeholder: "TEXT",
    default: [],
    fromRpc: items.fromRpc ?? (() => undefined),
    fromText: (one) => [items.item(one)],
    merge: (earlier, later) => [...earlier, ...later],
    objection: (all) => all.map((one) => (typeof one === "string" ? objectionToText(one) : undefined)).find(Boolean),
  });
}

interface Choices {
  /** The words of the command line and the numbers of the enum. */
  readonly values: Readonly<Record<string, number>>;
  /** What the option means without its argument; absent: it needs one. */
  readonly bare?: string;
  readonly default: number;
  readonly supported: readonly number[];
  /** Where the field of the row is not sent. */
  readonly orFromRpc?: (opts: CriuOpts) => number | undefined;
  /** What is said about the other ones. */
  readonly otherwise: { readonly reason: string; readonly remedy: string };
}
/** One of a few words. */
export function choice<A extends Operation, const R extends Field<number> = undefined>(
  about: About<R, A>,
  choices: Choices,
): Option<number, R, A> {
  const { values, bare, supported, otherwise, orFromRpc = () => undefined } = choices;
  return row<number, R, A>(about, {
    argument: bare === undefined ? "required" : "optional",
    placeholder: "WORD",
    words: Object.keys(values),
    default: choices.default,
    fromRpc: (opts) => numberIn(opts, about.rpc) ?? orFromRpc(opts),
    fromText(given) {
      const value = values[given === "" && bare !== undefined ? bare : given];
      if (value !== undefined) return value;
      throw new BadText(`${JSON.stringify(given)} is none of ${Object.keys(values).join(", ")}`);
    },
    objection(value): Objection | undefined {
      if (supported.includes(value)) return undefined;
      if (Object.values(values).includes(value)) return { kind: "unsupported", ...otherwise };
      return { kind: "invalid", reason: `its value ${value} is none that is known` };
    },
  });
}
