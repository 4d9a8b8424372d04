// The images of a large tree are made, empty, before they are written. To make a file may take the kernel longer than to write it, and a dump of
// a thousand processes has seven thousand: another processor makes them while we look at the tree.
import type { ImageDirectory } from "../images/directory.js";
import { MODE } from "../images/file.js";
import type { RawName, RecordName } from "../images/format/magic.js";
import { Beside } from "../kernel/apart.js";
import { prepared } from "../kernel/batch.js";
import { AT_FDCWD } from "../kernel/brand.js";
import { SyscallError } from "../kernel/errno.js";
import type { FrozenTask } from "../tracee/freeze.js";

const S_IFREG = 0o100000;
/** From here on it is worth a process that does it. */
const MANY_TASKS = 16;

/** Disposing takes away what was not written. */
export function makeAhead(images: ImageDirectory, tasks: readonly FrozenTask[]): Disposable | undefined {
  return tasks.length < MANY_TASKS ? undefined : images.expect(imagesOf(tasks), makeBeside);
}

type Name = readonly [RecordName | RawName, number];

/** Nearly all that there will be: those of each task, when none shares descriptors with another. */
function imagesOf(tasks: readonly FrozenTask[]): Name[] {
  let living = 0;
  return tasks.flatMap((task): Name[] => {
    if (task.state === "zombie") return [["core", task.pid]];
    living++;
    return [
      ...task.threads.map(({ tid }): Name => ["core", tid]),
      ...(["mm", "ids", "fs", "pagemap"] as const).map((name): Name => [name, task.pid]),
      ["fdinfo", OWN_TABLE + living],
      ["pages", living],
    ];
  });
}
/** The number of our own table of descriptors, before those of the tree: Identities. */
const OWN_TABLE = 1;

/** Result: ends it. Where there can be no other process, each file is made when it is written. */
function makeBeside(paths: readonly string[]): () => void {
  try {
    const beside = new Beside(inOneBuffer(paths).map((path) => prepared.mknodat(AT_FDCWD, path, S_IFREG | MODE, 0n)));
    return () => beside.end();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return () => {};
  }
}

/** Each with its NUL. */
function inOneBuffer(paths: readonly string[]): Uint8Array[] {
  const all = Buffer.from(paths.map((path) => `${path}\0`).join(""));
  let from = 0;
  return paths.map((path) => {
    const to = from + Buffer.byteLength(path) + 1;
    const bytes = all.subarray(from, to);
    from = to;
    return bytes;
  });
}
