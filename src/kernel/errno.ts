// Error numbers: include/uapi/asm-generic/errno.h, errno(3). Names come from Node, the rest is the kernel's own.
import { constants } from "node:os";
import type { Pid } from "./brand.js";

/** Numbers that the kernel uses inside and that ptrace shows: include/linux/errno.h. */
export const ERESTARTSYS = 512;
export const ERESTARTNOINTR = 513;
export const ERESTARTNOHAND = 514;
export const ERESTART_RESTARTBLOCK = 516;

/** errno(3) values that user space sees; EBADRQC and other Linux-only names that Node leaves out are added. */
export const errno = {
  ...constants.errno,
  ENOTSUP: 95,
  EBADRQC: 56,
  ECOMM: 70,
  EBADFD: 77,
  ENODATA: 61,
  ETOOMANYREFS: 109,
} as const;
export type ErrnoName = keyof typeof errno;

const names = new Map<number, string>();
for (const [name, number] of Object.entries(errno)) if (!names.has(number)) names.set(number, name);
names.set(errno.EAGAIN, "EAGAIN");

/** "ENOENT" for 2; "errno 524" for a number without a name. */
export function errnoName(number: number): string {
  return names.get(number) ?? `errno ${number}`;
}

/** A syscall said no. Carries what was called and where; says nothing about what it means. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";
  readonly errno: string;

  constructor(
    readonly call: string,
    readonly number: number,
    readonly shownArguments: readonly string[],
    /** The process that made the call; absent: ourselves. */
    readonly inside?: Pid,
  ) {
    const name = errnoName(number);
    super(`${call}(${shownArguments.join(", ")}): ${name}${inside === undefined ? "" : `, in pid ${inside}`}`);
    this.errno = name;
  }
}

/** Runs `call`; an error with one of the expected errnos becomes the value undefined, any other is thrown on. */
export function unless<T>(expected: ErrnoName | readonly ErrnoName[], call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof SyscallError && [expected].flat().some((name) => errno[name] === error.number))
      return undefined;
    throw error;
  }
}
