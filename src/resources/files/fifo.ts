// Named pipes: fifo(7). A regular file entry holds path, flags and owner; this one which pipe it is.
import { create } from "@bufbuild/protobuf";
import { FifoEntrySchema, type RegFileEntry } from "../../images/format/entries.js";
import { O } from "../../kernel/abi/fcntl.js";
import { AT_FDCWD, type Fd } from "../../kernel/brand.js";
import { sys } from "../../kernel/syscalls.js";
import type { DumpContext, FileKind, RestoreContext } from "../kind.js";
import { flagsForOpen } from "./common.js";
import { checkContents, fillPipe, type PipeContents, peekPipe, readContents, writeContents } from "./pipe-contents.js";
import { openThrough } from "./regular/regular.js";

export const fifo: FileKind<"fifo"> = {
  support: "full",
  type: "FIFO",
  field: "fifo",
  summary: "named pipes, fifo(7)",
  signatures: [{ mode: "fifo" }],

  collect(file, common, context) {
    const pipeId = Number(file.stat.ino);
    context.once(Fifos).note(file.duplicate, pipeId);
    const regfId = context.files.register(file, common.flags);
    return create(FifoEntrySchema, { id: common.id, pipeId, regfId });
  },

  validate({ pipeId, regfId }, context) {
    context.once(RestoredFifos).check(pipeId, context.files.path(regfId).flags);
  },

  open({ pipeId, regfId }, context) {
    return context.once(RestoredFifos).openEnd(pipeId, regfId, context);
  },
};

export class Fifos {
  readonly #contents = new Map<number, PipeContents>();

  constructor(private readonly context: DumpContext) {}

  note(end: Fd, pipeId: number): void {
    if (!this.#contents.has(pipeId)) this.#contents.set(pipeId, peekPipe(end, pipeId));
  }

  write(): void {
    writeContents(this.context.images, "fifo-data", [...this.#contents.values()]);
  }
}

class RestoredFifos {
  readonly #held = new Map<number, Fd>();
  readonly #contents: Map<number, PipeContents>;

  constructor(private readonly context: RestoreContext) {
    this.#contents = readContents(context.images, "fifo-data");
  }

  check(pipeId: number, flags: number): void {
    checkContents(this.#contents, { pipeId, flags, name: "fifo-data" });
  }

  openEnd(pipeId: number, regfId: number, context: RestoreContext): Fd {
    const file = context.files.path(regfId);
    // With both ends held by us nobody's open waits for its other end.
    const held = this.#held.get(pipeId) ?? this.#hold(pipeId, file);
    return sys.openat(AT_FDCWD, `/proc/self/fd/${held}`, flagsForOpen(file.flags), 0);
  }

  #hold(pipeId: number, file: RegFileEntry): Fd {
    const held = openThrough(file, this.context, (path) => sys.openat(AT_FDCWD, path, O.O_RDWR | O.O_CLOEXEC, 0));
    this.context.scope.defer(() => sys.close(held));
    this.#held.set(pipeId, held);
    const contents = this.#contents.get(pipeId);
    if (contents !== undefined) fillPipe(held, contents);
    return held;
  }
}
