// Image files on disk: opened safely in a directory that may belong to somebody else, read in windows, written in
// buffers. open(2), fsync(2), proc_pid_fd(5).
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { asFd, type Fd } from "../kernel/brand.js";
import { SyscallError } from "../kernel/errno.js";
import { StasisError, type Subject } from "../report/error.js";
import { invalid, truncated } from "./format/fault.js";
import type { ByteSource } from "./format/record.js";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;
export const MODE = 0o644;
const WINDOW_BYTES = 256 << 10;

/** A place in an images directory: the path to use, and the name to show. */
export interface FilePath {
  readonly path: string;
  readonly file: string;
  /** It may be there already, empty: ImageDirectory.expect. */
  readonly isAhead?: boolean;
}

/** "ENOENT" of an error that a system call ended with, made by Node or by us. */
function codeOf(error: unknown): string | undefined {
  if (error instanceof SyscallError) return error.errno;
  if (!(error instanceof Error && "syscall" in error && "code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/**
 * Runs one file operation.
 * @throws StasisError IO_FAILED with the kernel's reason
 */
export function io<T>(doing: string, subject: Subject, operation: () => T): T {
  try {
    return operation();
  } catch (cause) {
    if (codeOf(cause) === undefined) throw cause;
    throw new StasisError({ code: "IO_FAILED", doing, subject, reason: reasonOf(cause), cause });
  }
}

/** "ENOSPC: no space left on device, write" without the call, which `doing` tells better. */
const reasonOf = (cause: unknown) =>
  cause instanceof Error ? cause.message.replace(/, [a-z]+( '.*')?.*$/s, "") : String(cause);
const image = (file: string): Subject => ({ kind: "image", file });

/**
 * Creates an image with mode 0644 less umask. Whatever had the name is taken away first, so that a link laid out by
 * somebody else leads us nowhere. Readable too: the copying of pages is checked by its size.
 * @throws StasisError IO_FAILED
 */
export function createFile({ path, file, isAhead }: FilePath): Fd {
  const ahead = isAhead ? openAhead(path) : undefined;
  if (ahead !== undefined) return ahead;
  const create = () => openSync(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR, MODE);
  try {
    return asFd(create());
  } catch (cause) {
    // Something has the name, or whatever is the matter will be so again.
    if (codeOf(cause) === "EEXIST") removeFile({ path, file });
    return asFd(io("create the image", image(file), create));
  }
}

/** Undefined: it is not there yet, or not an empty file of ours. Whatever else has the name is taken away, as ever. */
function openAhead(path: string): Fd | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return undefined;
  }
  const stat = fstatSync(fd);
  if (stat.isFile() && stat.nlink === 1 && stat.size === 0 && stat.uid === process.geteuid?.()) return asFd(fd);
  closeSync(fd);
  return undefined;
}

/** Opens an image for reading; undefined when there is none. A FIFO or device that has an image's name is refused. */
export function openFile({ path, file }: FilePath): { readonly fd: Fd; readonly size: number } | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NONBLOCK);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return undefined;
    throw new StasisError({
      code: "IO_FAILED",
      doing: "open the image",
      subject: image(file),
      reason: reasonOf(cause),
      cause,
    });
  }
  const stat = io("read the image", image(file), () => fstatSync(fd));
  if (stat.isFile()) return { fd: asFd(fd), size: stat.size };
  closeSync(fd);
  throw invalid({ file }, "it is not a regular file");
}

/** Removes an image if it is there. */
export function removeFile({ path, file }: FilePath): void {
  try {
    unlinkSync(path);
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return;
    throw new StasisError({
      code: "IO_FAILED",
      doing: "remove the old image",
      subject: image(file),
      reason: reasonOf(cause),
      cause,
    });
  }
}

/** Brings a file or directory to the disk. */
export function syncFile({ path, file }: FilePath): void {
  io("flush the image", image(file), () => {
    const fd = openSync(path, O_RDONLY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  });
}

/** Writes all of it; write(2) may take less at a time. */
export function writeFully(fd: Fd, bytes: Uint8Array, file: string): void {
  io("write the image", image(file), () => {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
  });
}

/** An image on disk as a source of records. Windows are not reused: messages may point into them. */
export class FileSource implements ByteSource {
  #window = new Uint8Array(0);
  #at = 0;
  /** Offset in the file of the window's end. */
  #end = 0;

  constructor(
    readonly fd: Fd,
    private readonly size: number,
    private readonly file: string,
  ) {}

  get remaining(): number {
    return this.size - this.offset;
  }

  /** Of the next byte, in the file. */
  get offset(): number {
    return this.#end - (this.#window.length - this.#at);
  }

  take(length: number): Uint8Array {
    if (this.#window.length - this.#at < length) this.#refill(length);
    this.#at += length;
    return this.#window.subarray(this.#at - length, this.#at);
  }

  skip(length: number): void {
    const inWindow = Math.min(length, this.#window.length - this.#at);
    this.#at += inWindow;
    if (inWindow === length) return;
    this.#end += length - inWindow;
    this.#window = new Uint8Array(0);
    this.#at = 0;
  }

  #refill(length: number): void {
    const start = this.offset;
    const window = new Uint8Array(Math.min(Math.max(length, WINDOW_BYTES), this.size - start));
    for (let filled = 0; filled < window.length; ) {
      const read = io("read the image", image(this.file), () =>
        readSync(this.fd, window, filled, window.length - filled, start + filled),
      );
      // Only when somebody cuts the file while we read it: its size was asked at the beginning.
      if (read === 0)
        throw truncated({ file: this.file }, `it was ${this.size} bytes long and is ${start + filled} now`);
      filled += read;
    }
    this.#window = window;
    this.#at = 0;
    this.#end = start + window.length;
  }
}
