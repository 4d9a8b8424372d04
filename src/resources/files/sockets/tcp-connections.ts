// The TCP connections of one dump: read together when all are known, and what becomes of them at its end.
import type { ImageDirectory } from "../../../images/directory.js";
import { SOL_TCP } from "../../../kernel/abi/in.js";
import { TCP, TCP_REPAIR } from "../../../kernel/abi/tcp.js";
import { type OwnFd, own } from "../../../kernel/own-fd.js";
import { writeInteger } from "../../../kernel/socket-options.js";
import { sys } from "../../../kernel/syscalls.js";
import type { DumpContext } from "../../kind.js";
import { destinationOf, sourceOf } from "./inet-entry.js";
import { HeldNetwork } from "./network-lock.js";
import { type ConnectionFile, readStream } from "./tcp-stream.js";

interface Held extends ConnectionFile {
  readonly duplicate: OwnFd;
}

export class TcpConnections implements Disposable {
  readonly #held: Held[] = [];
  #network: HeldNetwork | undefined;

  constructor(private readonly context: DumpContext) {
    context.scope.use(this);
  }

  /** Keeps a duplicate of the socket for the length of the dump. */
  note({ socket, entry, subject }: ConnectionFile): void {
    const duplicate = own(sys.dup(socket));
    this.#held.push({ socket: duplicate.fd, duplicate, entry, subject });
  }

  /** tcp-stream-INO.img of each; from here on nothing of them arrives or leaves. */
  write(images: ImageDirectory): void {
    if (this.#held.length === 0) return;
    const { options, runId } = this.context;
    const ends = this.#held.map(({ entry }) => ({ source: sourceOf(entry), destination: destinationOf(entry) }));
    this.#network = HeldNetwork.hold(options.networkLock, runId, ends);
    for (const file of this.#held) {
      const { entry, received, sent } = readStream(file);
      using writer = images.writer("tcp-stream", file.entry.ino);
      writer.append(entry);
      writer.blob(received);
      writer.blob(sent);
      writer.close();
    }
  }

  /** The tree runs on, and so do its connections. */
  release(): void {
    this.#network?.[Symbol.dispose]();
    this.#network = undefined;
    for (const { duplicate } of this.#held.splice(0)) duplicate[Symbol.dispose]();
  }

  /**
   * The tree is gone, and we alone have its sockets: in repair mode they end without a word to the other side, which waits for the restore. Until
   * here the program could not have seen them in that mode.
   */
  outlive(): void {
    this.#network?.leaveClosed();
    for (const { socket, duplicate } of this.#held.splice(0)) {
      writeInteger(socket, SOL_TCP, TCP.REPAIR, TCP_REPAIR.ON);
      duplicate[Symbol.dispose]();
    }
    this.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
