// How a syscall is declared: one row gives the call made here, the call made inside a target, and the text of its failure.
import type { Address, Fd, Pid, TargetFd } from "../brand.js";
import { addressOf, type Word } from "../call.js";
import type { Layout } from "./struct.js";

/** Buffers that must stay alive until the call returned. */
export type Kept = Uint8Array[];

/**
 * One argument or result of a syscall, in its two worlds: made by us (Here), and made inside the target (There),
 * where a pointer is an address of the target and a descriptor an index into the target's table.
 */
export interface Arg<Here, There> {
  show(value: Here | There): string;
  here(value: Here, kept: Kept): Word;
  there(value: There): Word;
}
export const argument = <Here, There>(arg: Arg<Here, There>): Arg<Here, There> => arg;

/** What the kernel returns, as a value of the two worlds. */
export interface Result<Here, There> {
  here(raw: Word): Here;
  there(raw: Word): There;
}
const result = <Here, There>(here: (raw: Word) => Here, there: (raw: Word) => There): Result<Here, There> => ({
  here,
  there,
});

const hex = (value: bigint) => `0x${BigInt.asUintN(64, value).toString(16)}`;
const plain = <Here extends number | bigint, There extends number | bigint = Here>(): Arg<Here, There> => ({
  show: String,
  here: (value) => value,
  there: (value) => value,
});
const keep = (bytes: Uint8Array, kept: Kept): bigint => {
  kept.push(bytes);
  return addressOf(bytes);
};
const pointer = <Here>(
  show: (value: Here) => string,
  bytesOf: (value: Here) => Uint8Array | null,
): Arg<Here, Address> => ({
  show: (value) => (typeof value === "bigint" ? hex(value) : show(value as Here)),
  here: (value, kept) => {
    const bytes = bytesOf(value);
    return bytes === null ? 0 : keep(bytes, kept);
  },
  there: (value) => BigInt.asIntN(64, value),
});

export const int = plain<number>();
export const long: Arg<bigint, bigint> = {
  show: String,
  here: (value) => BigInt.asIntN(64, value),
  there: (value) => BigInt.asIntN(64, value),
};
export const fd = plain<Fd, TargetFd>();
/** A descriptor of another process, whoever calls. */
export const foreignFd = plain<TargetFd>();
/** A pid as the caller's pid namespace numbers it: ours here, the target's inside. */
export const pid = plain<Pid, number>();
/** An address of a target, whoever calls. */
export const foreignAddress: Arg<Address, Address> = {
  show: hex,
  here: (value) => BigInt.asIntN(64, value),
  there: (value) => BigInt.asIntN(64, value),
};
/** A C string; bytes have their NUL with them, and are used where they are. */
export const path = pointer<string | Uint8Array>(
  (text) =>
    JSON.stringify(typeof text === "string" ? text : Buffer.from(text).toString("latin1").replace(/\0.*$/s, "")),
  (text) => (typeof text === "string" ? Buffer.from(`${text}\0`) : text),
);
/** A C string of raw bytes (paths are bytes, not text), without its NUL. */
export const rawPath = pointer<Uint8Array>(
  (bytes) => JSON.stringify(Buffer.from(bytes).toString("latin1")),
  (bytes) => Buffer.concat([bytes, new Uint8Array(1)]),
);
/** Memory that the kernel reads or writes; null is the null pointer. */
export const buffer = pointer<Uint8Array | null>(
  (bytes) => (bytes === null ? "NULL" : `${bytes.byteLength} bytes`),
  (bytes) => bytes,
);
/** A struct that the kernel reads. */
export const from = <T>(layout: Layout<T>): Arg<T, Address> =>
  pointer<T>(
    () => layout.name,
    (value) => layout.encode(value),
  );

const failed = (raw: Word): boolean => raw < 0 && raw >= -4095;
export const isFailure = failed;
export const count = result<number, number>(Number, Number);
export const nothing = result<void, void>(
  () => undefined,
  () => undefined,
);
export const newFd = result<Fd, TargetFd>(
  (raw) => Number(raw) as Fd,
  (raw) => Number(raw) as TargetFd,
);
export const newPid = result<Pid, number>((raw) => Number(raw) as Pid, Number);
export const newAddress = result<Address, Address>(
  (raw) => BigInt.asUintN(64, BigInt(raw)) as Address,
  (raw) => BigInt.asUintN(64, BigInt(raw)) as Address,
);
export const wide = result<bigint, bigint>(BigInt, BigInt);

// biome-ignore lint/suspicious/noExplicitAny: a list of arguments of different types has no narrower bound that keeps inference
type Args = readonly (readonly [name: string, type: Arg<any, any>])[];
// biome-ignore lint/suspicious/noExplicitAny: as above, for results
type AnyResult = Result<any, any>;

export interface Syscall<A extends Args = Args, R extends AnyResult = AnyResult> {
  readonly name: string;
  /** On x86-64: arch/x86/entry/syscalls/syscall_64.tbl. */
  readonly number: number;
  readonly args: A;
  readonly returns: R;
  /** Words before the declared arguments: the command of a multiplexed call (`prctl`, `fcntl`, `ptrace`). */
  readonly command: readonly number[];
  /** Blocks, and a signal shall end it: the call is not made again on EINTR. */
  readonly interruptible: boolean;
}

/** Declares a syscall. `command` holds leading words that make one row of a multiplexed call. */
export function syscall<const A extends Args, R extends AnyResult>(
  name: string,
  number: number,
  args: A,
  returns: R,
  options?: { command?: readonly number[]; interruptible?: boolean },
): Syscall<A, R> {
  return {
    name,
    number,
    args,
    returns,
    command: options?.command ?? [],
    interruptible: options?.interruptible ?? false,
  };
}

type Here<T> = T extends Arg<infer H, infer _W> ? H : T extends Result<infer H, infer _W> ? H : never;
type There<T> = T extends Arg<infer _H, infer W> ? W : T extends Result<infer _H, infer W> ? W : never;
type HereArgs<A extends Args> = { [I in keyof A]: A[I] extends readonly [string, infer T] ? Here<T> : never };
export type ThereArgs<A extends Args> = { [I in keyof A]: A[I] extends readonly [string, infer T] ? There<T> : never };

export type HereCalls<T> = {
  readonly [K in keyof T]: T[K] extends Syscall<infer A, infer R> ? (...args: HereArgs<A>) => Here<R> : never;
};
export type ThereCalls<T> = {
  readonly [K in keyof T]: T[K] extends Syscall<infer A, infer R> ? (...args: ThereArgs<A>) => There<R> : never;
};

/** The arguments as a person would write them, for a message. */
export function showArguments(row: Syscall, values: readonly unknown[]): string[] {
  return row.args.map(([, type], index) => type.show(values[index]));
}
