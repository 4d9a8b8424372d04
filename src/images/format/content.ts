// All that is in an image, whatever its kind: for showing, checking and comparing images. Who restores a kind reads it
// by itself. What follows which record: CRIU 4.2, the code that writes each kind.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { GhostChunkEntrySchema, IpcMsgSchema, PagemapHeadSchema } from "./entries.js";
import { type RecordName, recordKind, type SchemaOf } from "./magic.js";
import { type ByteSource, RecordReader } from "./record.js";

/** A record with the bytes that belong to it. */
export interface ImageRecord<D extends DescMessage = DescMessage> {
  readonly schema: D;
  readonly message: MessageShape<D>;
  readonly blob?: Uint8Array;
}

type Walk<N extends RecordName> = (reader: RecordReader<SchemaOf<N>>) => Generator<ImageRecord>;

/** Behind each record as many bytes as it says, filled up to a multiple of `alignment`. */
const blobs = <N extends RecordName>(
  lengthOf: (entry: MessageShape<SchemaOf<N>>) => number | bigint | undefined,
  alignment = 1,
): Walk<N> =>
  function* (reader) {
    for (const message of reader) {
      const length = lengthOf(message);
      yield {
        schema: reader.kind.message,
        message,
        ...(length !== undefined && { blob: reader.blob(length, alignment) }),
      };
    }
  };

function* pagemap(reader: RecordReader<SchemaOf<"pagemap">>): Generator<ImageRecord> {
  yield { schema: PagemapHeadSchema, message: reader.expect(PagemapHeadSchema) };
  yield* plain(reader);
}

/** Small files are kept whole; of larger ones the parts that are not holes. */
function* ghostFile(reader: RecordReader<SchemaOf<"ghost-file">>): Generator<ImageRecord> {
  const { message: schema } = reader.kind;
  const ghost = reader.expect(schema);
  if (!ghost.chunks) return yield { schema, message: ghost, blob: reader.blob(reader.remaining) };
  yield { schema, message: ghost };
  for (let chunk = reader.next(GhostChunkEntrySchema); chunk; chunk = reader.next(GhostChunkEntrySchema)) {
    yield { schema: GhostChunkEntrySchema, message: chunk, blob: reader.blob(chunk.len) };
  }
}

function* messageQueues(reader: RecordReader<SchemaOf<"ipcns-msg">>): Generator<ImageRecord> {
  for (const queue of reader) {
    yield { schema: reader.kind.message, message: queue };
    for (let left = queue.qnum; left > 0; left--) {
      const message = reader.expect(IpcMsgSchema);
      yield { schema: IpcMsgSchema, message, blob: reader.blob(message.msize, 8) };
    }
  }
}

function* plain(reader: RecordReader): Generator<ImageRecord> {
  for (const message of reader) yield { schema: reader.kind.message, message };
}

/** Kinds that have more than records of one type. */
const walks: { readonly [N in RecordName]?: Walk<N> } = {
  pagemap,
  "pagemap-shmem": pagemap,
  "pipes-data": blobs(({ bytes }) => bytes),
  "fifo-data": blobs(({ bytes }) => bytes),
  "sk-queues": blobs(({ length }) => length),
  "tcp-stream": blobs(({ inqLen, outqLen }) => inqLen + outqLen),
  "ghost-file": ghostFile,
  "bpfmap-data": blobs(({ keysBytes, valuesBytes }) => keysBytes + valuesBytes),
  "ipcns-shm": blobs(({ size, inPagemaps }) => (inPagemaps ? undefined : size), 4),
  "ipcns-msg": messageQueues,
  "ipcns-sem": blobs(({ nsems }) => nsems * 2, 8),
};

/**
 * Reads an image to its end.
 * @throws StasisError
 */
export function recordsOf<N extends RecordName>(name: N, file: string, source: ByteSource): Generator<ImageRecord> {
  const reader = new RecordReader(recordKind(name), file, source);
  const walk: Walk<N> | undefined = walks[name];
  return walk ? walk(reader) : plain(reader);
}
