// What an option is: one row, from which the command line, the reading of criurpc's CriuOpts, the engine's view and the refusals follow.
import { type DescField, isFieldSet } from "@bufbuild/protobuf";
import { type CriuOpts, CriuOptsSchema } from "../protocol/gen/rpc_pb.js";

export type Operation = "dump" | "restore" | "check" | "cpuinfo" | "explain" | "service";
/** A field of CriuOpts; field 39 is read by hand and counts as none. */
export type RpcField = Exclude<keyof CriuOpts, "$typeName" | "$unknown">;

/** Why a value is not taken, as parts of the sentence to the user. */
export type Objection =
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "unsupported"; readonly reason: string; readonly remedy: string };

export interface Option<T, R extends RpcField | undefined = RpcField | undefined, A extends Operation = Operation> {
  /** The long option of the command line, without dashes; undefined: criurpc has it alone. */
  readonly cli: string | undefined;
  /** The letter of the short option. */
  readonly short?: string;
  /** The argument on the command line. A flag has none, and a `--no-` form. */
  readonly argument: "none" | "optional" | "required";
  /** What the argument is called in help: "DIRECTORY". */
  readonly placeholder?: string;
  /** The words that the argument may be. */
  readonly words?: readonly string[];
  /** Known, and refused by name. */
  readonly isRefused?: true;
  /** The field of CriuOpts; undefined: the command line has it alone, or it is field 39. */
  readonly rpc: R;
  /** Where it means something; elsewhere it is passed over, as CRIU does. */
  readonly applies: readonly A[];
  readonly default: T;
  /** One line for `--help` and the documentation. */
  readonly summary: string;
  /** Undefined: the field is not there. */
  fromRpc(opts: CriuOpts): T | undefined;
  /** One occurrence on the command line; a missing optional argument is "". Throws BadText. */
  fromText(text: string): T;
  /** A second occurrence. */
  merge(earlier: T, later: T): T;
  objection(value: T): Objection | undefined;
}
/** Whether an option means something to an operation. An explanation is asked for with the options of the dump. */
export const meansSomething = ({ applies }: Pick<Option<unknown>, "applies">, operation: Operation): boolean =>
  applies.includes(operation) || (operation === "explain" && applies.includes("dump"));

export type ValueOf<O> = O extends Option<infer T, infer _R, infer _A> ? T : never;

/** Says what is wrong with an argument, as part of a sentence. */
export class BadText extends Error {}

/** What every row says about itself. */
export interface About<R extends RpcField | undefined, A extends Operation> {
  readonly cli?: string;
  readonly short?: string;
  readonly rpc?: R;
  readonly placeholder?: string;
  readonly applies: readonly A[];
  readonly summary: string;
}

/** Whether the client sent the field; an empty list cannot be told from none. */
export function isSent(opts: CriuOpts, field: RpcField): boolean {
  const description: DescField = CriuOptsSchema.field[field];
  return isFieldSet(opts, description);
}

/** The field's value if the client sent it. */
export function sent<R extends RpcField>(opts: CriuOpts, field: R | undefined): CriuOpts[R] | undefined {
  return field !== undefined && isSent(opts, field) ? opts[field] : undefined;
}
