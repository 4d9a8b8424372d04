// Pipes: pipe(2). Both ends of a pipe have its inode number as pipe_id; what is in it is saved once.
import { create } from "@bufbuild/protobuf";
import { PipeEntrySchema } from "../../images/format/entries.js";
import { F_DUPFD_CLOEXEC, O, O_ACCMODE, O_RDONLY } from "../../kernel/abi/fcntl.js";
import { AT_FDCWD, type Fd } from "../../kernel/brand.js";
import { sys } from "../../kernel/syscalls.js";
import type { DumpContext, FileKind, RestoreContext } from "../kind.js";
import { flagsForOpen } from "./common.js";
import {
  checkContents,
  fillPipe,
  makePipe,
  type PipeContents,
  peekPipe,
  readContents,
  writeContents,
} from "./pipe-contents.js";

export const pipe: FileKind<"pipe"> = {
  support: "full",
  type: "PIPE",
  field: "pipe",
  summary: "pipes, pipe(2)",
  signatures: [{ mode: "fifo", link: /^pipe:\[/ }],
  limits: ["packet boundaries (O_DIRECT) are carried over by stasis alone: CRIU's images have no place for them"],

  collect(file, common, context) {
    const pipeId = Number(file.stat.ino);
    context.once(Pipes).note(file.duplicate, pipeId);
    return create(PipeEntrySchema, { id: common.id, pipeId, flags: common.flags, fown: common.fown });
  },

  validate({ pipeId, flags }, context) {
    if (!context.inherited.has(`pipe:[${pipeId}]`)) context.once(RestoredPipes).check(pipeId, flags);
  },

  open({ pipeId, flags }, context) {
    const inherited = context.inherited.get(`pipe:[${pipeId}]`);
    if (inherited !== undefined) return sys.dup(inherited);
    return context.once(RestoredPipes).openEnd(pipeId, flags);
  },
};

/** The pipes of one dump. */
export class Pipes {
  readonly #contents = new Map<number, PipeContents>();

  constructor(private readonly context: DumpContext) {}

  note(end: Fd, pipeId: number): void {
    if (!this.#contents.has(pipeId)) this.#contents.set(pipeId, peekPipe(end, pipeId));
  }

  write(): void {
    writeContents(this.context.images, "pipes-data", [...this.#contents.values()]);
  }
}

interface MadePipe {
  readonly read: Fd;
  readonly write: Fd;
  /** The ends that pipe(2) made and that some file has become already. */
  readonly given: Set<Fd>;
}

/** The pipes of one restore: made whole; each end that somebody has is one of the two, or is opened again. */
class RestoredPipes {
  readonly #made = new Map<number, MadePipe>();
  readonly #contents: Map<number, PipeContents>;

  constructor(private readonly context: RestoreContext) {
    this.#contents = readContents(context.images, "pipes-data");
  }

  check(pipeId: number, flags: number): void {
    checkContents(this.#contents, { pipeId, flags, name: "pipes-data" });
  }

  openEnd(pipeId: number, flags: number): Fd {
    const made = this.#made.get(pipeId) ?? this.#make(pipeId, flags);
    const end = (flags & O_ACCMODE) === O_RDONLY ? made.read : made.write;
    // An end that is opened again has O_LARGEFILE, which those of pipe(2) have not: the program could see that.
    const asMade = (flags & O.O_LARGEFILE) === 0 && !made.given.has(end);
    if (!asMade) return sys.openat(AT_FDCWD, `/proc/self/fd/${made.write}`, flagsForOpen(flags), 0);
    made.given.add(end);
    return sys.fcntlDupFd(end, F_DUPFD_CLOEXEC, 0);
  }

  #make(pipeId: number, flags: number): MadePipe {
    const { read, write } = makePipe(O.O_CLOEXEC | (flags & O.O_DIRECT));
    // Ours stay open until every end is: a pipe without one end would lose what is in it.
    this.context.scope.defer(() => sys.close(read));
    this.context.scope.defer(() => sys.close(write));
    const made = { read, write, given: new Set<Fd>() };
    this.#made.set(pipeId, made);
    const contents = this.#contents.get(pipeId);
    if (contents !== undefined) fillPipe(write, contents);
    return made;
  }
}
