// What an option is: one row, from which the command line, the reading of criurpc's CriuOpts, the engine's view and the refusals follow.
import { type DescField, isFieldSet } from "@bufbuild/protobuf";
import { type CriuOpts, CriuOptsSchema } from "../protocol/gen/rpc_pb.js";

export type Operation = "dump" | "restore" | "check" | "cpuinfo" | "service";
/** A field of CriuOpts; field 39 is read by hand and counts as none. */
export type RpcField = Exclude<keyof CriuOpts, "$typeName" | "$unknown">;

/** Why a value is not taken, as parts of the sentence to the user. */
export type Objection =
  | { readonly kind: "invalid"; readonly reason: string }
  | { readonly kind: "unsupported"; readonly reason: string; readonly remedy: string };

export interface Option<T, R extends RpcField | undefined = RpcField | undefined> {
  /** The long option of the command line, without dashes; undefined: criurpc has it alone. */
  readonly cli: string | undefined;
  /** The letter of the short option. */
  readonly short?: string;
  /** The argument on the command line. A flag has none, and a `--no-` form. */
  readonly argument: "none" | "optional" | "required";
  /** The field of CriuOpts; undefined: the command line has it alone, or it is field 39. */
  readonly rpc: R;
  /** Where it means something; elsewhere it is passed over, as CRIU does. */
  readonly applies: readonly Operation[];
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
export type ValueOf<O> = O extends Option<infer T, infer _R> ? T : never;

/** Says what is wrong with an argument, as part of a sentence. */
export class BadText extends Error {}

/** What every row says about itself. */
export interface About<R extends RpcField | undefined> {
  readonly cli?: string;
  readonly short?: string;
  readonly rpc?: R;
  readonly applies: readonly Operation[];
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
