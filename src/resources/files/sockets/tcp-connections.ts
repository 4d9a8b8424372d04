// The TCP connections of one dump: read together when all are known, and what becomes of them at its end.
import type { ImageDirectory } from "../../../images/directory.js";
import { SOL_TCP } from "../../../kernel/abi/in.js";
import { TCP, TCP_REPAIR } from "../../../kernel/abi/tcp.js";
import { type OwnFd, own } from "../../../kernel/own-fd.js";
import { findHolder, type Holder } from "../../../kernel/proc/holders.js";
import { readStat } from "../../../kernel/proc/stat.js";
import { writeInteger } from "../../../kernel/socket-options.js";
import { sys } from "../../../kernel/syscalls.js";
import type { DumpContext } from "../../kind.js";
import { refuseFile } from "../refuse.js";
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

  /** tcp-stream-INO.img of each; from here on nothing of them arrives or leaves. `tree`: all processes that are frozen. */
  write(images: ImageDirectory, tree: readonly number[]): void {
    if (this.#held.length === 0) return;
    this.#checkHolders(tree);
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

  /** Whoever has a connection open besides the tree runs on: it would meet repair mode, and find the connection dead after the dump. */
  #checkHolders(tree: readonly number[]): void {
    const files = new Map(this.#held.map((file) => [`socket:[${file.entry.ino}]`, file]));
    const stranger = findHolder(new Set(files.keys()), new Set([...tree, process.pid]));
    const file = files.get(stranger?.link ?? "");
    if (stranger === undefined || file === undefined) return;
    throw refuseFile(
      file.subject,
      `its TCP connection is open in pid ${stranger.pid} ${nameOf(stranger)} as well, which is outside of the tree`,
      "dump that process with it, or have it close the connection",
    );
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

const nameOf = ({ pid }: Holder) => JSON.stringify(readStat(pid)?.comm ?? "?");
