// What must not be mixed: numbers that look alike and mean different things here and inside a target.

declare const brand: unique symbol;
/** A value of type T that may not be used where another brand is meant. Costs nothing at run time. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** A descriptor in our own table. */
export type Fd = Brand<number, "Fd">;
/** A descriptor number in a target's table: an index, never to be passed to our own syscalls. */
export type TargetFd = Brand<number, "TargetFd">;
/** A pid or tid as our own pid namespace shows it. */
export type Pid = Brand<number, "Pid">;
/** An address in the target. */
export type Address = Brand<bigint, "Address">;

export const asFd = (fd: number): Fd => fd as Fd;
export const asTargetFd = (fd: number): TargetFd => fd as TargetFd;
export const asPid = (pid: number): Pid => pid as Pid;
export const asAddress = (address: bigint): Address => address as Address;

/** The directory descriptor that stands for the current directory: include/uapi/linux/fcntl.h. */
export const AT_FDCWD = asFd(-100);
/** "No descriptor" where a syscall takes one, e.g. mmap(2) of anonymous memory. */
export const NO_FD = asFd(-1);
export const NO_TARGET_FD = asTargetFd(-1);
export const NULL = asAddress(0n);
