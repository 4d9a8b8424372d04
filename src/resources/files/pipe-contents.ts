// What is in a pipe or FIFO, read without taking it out: tee(2). pipes-data.img, fifo-data.img.
import { create } from "@bufbuild/protobuf";
import type { ImageDirectory } from "../../images/directory.js";
import { type PipeDataEntry, PipeDataEntrySchema } from "../../images/format/entries.js";
import { invalid } from "../../images/format/fault.js";
import { F_GETFL, F_GETPIPE_SZ, F_SETFL, F_SETPIPE_SZ, O, O_ACCMODE } from "../../kernel/abi/fcntl.js";
import { SPLICE_F_NONBLOCK } from "../../kernel/abi/uio.js";
import { AT_FDCWD, asFd, type Fd } from "../../kernel/brand.js";
import { unless } from "../../kernel/errno.js";
import { own } from "../../kernel/own-fd.js";
import { sys } from "../../kernel/syscalls.js";

/** Both ends of a pipe of ours. */
export function makePipe(flags: number): { readonly read: Fd; readonly write: Fd } {
  const ends = new Uint8Array(8);
  sys.pipe2(ends, flags);
  const [read = -1, write = -1] = new Int32Array(ends.buffer);
  return { read: asFd(read), write: asFd(write) };
}

export interface PipeContents {
  readonly entry: PipeDataEntry;
  readonly bytes: Uint8Array;
}

/** Contents and capacity of the pipe behind a descriptor of ours, whichever end it is. */
export function peekPipe(end: Fd, pipeId: number): PipeContents {
  const capacity = sys.fcntlSet(end, F_GETPIPE_SZ, 0);
  using source = own(sys.openat(AT_FDCWD, `/proc/self/fd/${end}`, O.O_NONBLOCK | O.O_CLOEXEC, 0));
  const copy = makePipe(O.O_CLOEXEC | O.O_NONBLOCK);
  using read = own(copy.read);
  using write = own(copy.write);
  sys.fcntlSet(write.fd, F_SETPIPE_SZ, capacity);
  // EAGAIN: it is empty and somebody may still write; 0: it is empty and nobody can.
  const length = unless("EAGAIN", () => sys.tee(source.fd, write.fd, BigInt(capacity), SPLICE_F_NONBLOCK)) ?? 0;
  const bytes = new Uint8Array(length);
  // Buffers that tee(2) copies are packets as they were: a read ends with each.
  const reads: number[] = [];
  for (let done = 0; done < length; done += reads.at(-1) ?? 0)
    reads.push(sys.read(read.fd, bytes.subarray(done), length - done));
  const packets = reads.length > 1 ? reads : [];
  return { entry: create(PipeDataEntrySchema, { pipeId, bytes: length, size: capacity, packets }), bytes };
}

/** Writes pipes-data.img or fifo-data.img. */
export function writeContents(
  images: ImageDirectory,
  name: "pipes-data" | "fifo-data",
  contents: readonly PipeContents[],
): void {
  using writer = images.writer(name, undefined);
  for (const { entry, bytes } of contents) {
    writer.append(entry);
    writer.blob(bytes);
  }
  writer.close();
}

/** By pipe id. */
export function readContents(images: ImageDirectory, name: "pipes-data" | "fifo-data"): Map<number, PipeContents> {
  const contents = new Map<number, PipeContents>();
  using reader = images.reader(name, undefined);
  while (reader !== undefined && reader.remaining > 0) {
    const entry = reader.expect(PipeDataEntrySchema);
    const sum = entry.packets.reduce((all, length) => all + length, 0);
    if (entry.packets.length > 0 && (sum !== entry.bytes || entry.packets.includes(0)))
      throw invalid({ file: `${name}.img` }, `the packets of pipe ${entry.pipeId} are not the bytes that it has`);
    contents.set(entry.pipeId, { entry, bytes: reader.blob(entry.bytes) });
  }
  return contents;
}

/** A pipe that somebody reads has contents in the image, if only none at all. CRIU leaves out those that are only written to. */
export function checkContents(
  contents: ReadonlyMap<number, PipeContents>,
  pipe: { readonly pipeId: number; readonly flags: number; readonly name: "pipes-data" | "fifo-data" },
): void {
  const isRead = (pipe.flags & O_ACCMODE) !== O.O_WRONLY;
  if (isRead && !contents.has(pipe.pipeId))
    throw invalid(
      { file: `${pipe.name}.img` },
      `it has nothing about pipe ${pipe.pipeId}, which files.img has an end of`,
    );
}

/** Capacity and contents, into a new pipe by its writing end. */
export function fillPipe(write: Fd, { entry, bytes }: PipeContents): void {
  if (entry.size !== 0 && sys.fcntlSet(write, F_GETPIPE_SZ, 0) !== entry.size)
    sys.fcntlSet(write, F_SETPIPE_SZ, entry.size);
  if (entry.packets.length > 0) {
    fillPackets(write, entry.packets, bytes);
    return;
  }
  for (let done = 0; done < bytes.byteLength; ) done += sys.write(write, bytes.subarray(done), bytes.byteLength - done);
}

/** Each write in packet mode is one, whatever mode the end was in. */
function fillPackets(write: Fd, packets: readonly number[], bytes: Uint8Array): void {
  const flags = sys.fcntlSet(write, F_GETFL, 0);
  sys.fcntlSet(write, F_SETFL, flags | O.O_DIRECT);
  let done = 0;
  for (const length of packets) {
    sys.write(write, bytes.subarray(done, done + length), length);
    done += length;
  }
  sys.fcntlSet(write, F_SETFL, flags);
}
