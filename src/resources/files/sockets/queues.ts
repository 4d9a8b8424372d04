// Messages that wait in sockets: sk-queues.img, one record a message, its bytes behind it.
import type { ImageDirectory } from "../../../images/directory.js";
import { type SkPacketEntry, SkPacketEntrySchema } from "../../../images/format/entries.js";
import type { DumpContext, RestoreContext } from "../../kind.js";

export interface QueuedMessage {
  readonly entry: SkPacketEntry;
  readonly data: Uint8Array;
}

/** The queues of one dump. */
export class SocketQueues {
  readonly #messages: QueuedMessage[] = [];

  constructor(private readonly context: DumpContext) {}

  add(message: QueuedMessage): void {
    this.#messages.push(message);
  }

  write(): void {
    if (this.#messages.length === 0) return;
    using writer = this.context.images.writer("sk-queues", undefined);
    for (const { entry, data } of this.#messages) {
      writer.append(entry);
      writer.blob(data);
    }
    writer.close();
  }
}

/** The queues of one restore. */
export class RestoredQueues {
  readonly #byId: ReadonlyMap<number, readonly QueuedMessage[]>;

  /** Throws StasisError IMAGE_... */
  constructor(context: RestoreContext) {
    this.#byId = readQueues(context.images);
  }

  /** What waits for a file, in order. */
  of(id: number): readonly QueuedMessage[] {
    return this.#byId.get(id) ?? [];
  }
}

function readQueues(images: ImageDirectory): Map<number, QueuedMessage[]> {
  const found = new Map<number, QueuedMessage[]>();
  using reader = images.reader("sk-queues", undefined);
  if (reader === undefined) return found;
  while (reader.remaining > 0) {
    const entry = reader.expect(SkPacketEntrySchema);
    const message = { entry, data: reader.blob(entry.length).slice() };
    const list = found.get(entry.idFor);
    if (list === undefined) found.set(entry.idFor, [message]);
    else list.push(message);
  }
  return found;
}
