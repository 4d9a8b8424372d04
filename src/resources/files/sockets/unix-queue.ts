// What waits in the queue of a unix socket: sk-queues.img, one record a message, its bytes behind it. Read with MSG_PEEK, so that the
// program finds it as it was; SO_PEEK_OFF of unix(7) leads from message to message.
import { create } from "@bufbuild/protobuf";
import type { ImageDirectory } from "../../../images/directory.js";
import { ScmEntrySchema, type SkPacketEntry, SkPacketEntrySchema } from "../../../images/format/entries.js";
import { SCM_RIGHTS, SO_PEEK_OFF, SO_RCVBUF, SOCK } from "../../../kernel/abi/socket.js";
import type { Fd } from "../../../kernel/brand.js";
import { type Packet, peekPacket, sendPacket } from "../../../kernel/packets.js";
import { readNumber, writeNumber } from "./options.js";

export interface QueuedMessage {
  readonly entry: SkPacketEntry;
  readonly data: Uint8Array;
}

/** A message is no larger than the buffer that it lies in; that counts the kernel's own overhead too. */
const roomFor = (socket: Fd) => readNumber(socket, SO_RCVBUF) * 2 + 256 * 1024;

/** Everything that waits. Streams have no messages, but descriptors end a piece of them. */
export function* peekQueue(socket: Fd, type: number): Generator<Packet> {
  const before = readNumber(socket, SO_PEEK_OFF);
  try {
    for (let offset = 0; ; ) {
      writeNumber(socket, SO_PEEK_OFF, offset);
      const packet = peekPacket(socket, roomFor(socket));
      // Nothing from a socket with connections is their end.
      if (packet === undefined || (packet.data.byteLength === 0 && type !== SOCK.SOCK_DGRAM)) return;
      yield packet;
      // An empty datagram does not move the offset: nothing can be seen behind it.
      if (packet.data.byteLength === 0) return;
      offset += packet.data.byteLength;
    }
  } finally {
    writeNumber(socket, SO_PEEK_OFF, before);
  }
}

export function messageOf(id: number, data: Uint8Array, rights: readonly number[]): QueuedMessage {
  const scm = rights.length === 0 ? [] : [create(ScmEntrySchema, { type: SCM_RIGHTS, rights: [...rights] })];
  return { entry: create(SkPacketEntrySchema, { idFor: id, length: data.byteLength, scm }), data };
}

export function writeQueues(images: ImageDirectory, messages: readonly QueuedMessage[]): void {
  if (messages.length === 0) return;
  using writer = images.writer("sk-queues", undefined);
  for (const { entry, data } of messages) {
    writer.append(entry);
    writer.blob(data);
  }
  writer.close();
}

/** By the id of the file that they wait for, in order. Throws StasisError IMAGE_... */
export function readQueues(images: ImageDirectory): Map<number, QueuedMessage[]> {
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

/** Sends messages through the other end, `writer`; `fdOf` opens the files that are on their way. */
export function fillQueue(writer: Fd, messages: readonly QueuedMessage[], fdOf: (id: number) => Fd): void {
  for (const { entry, data } of messages) {
    const rights = entry.scm.filter(({ type }) => type === SCM_RIGHTS).flatMap((scm) => scm.rights);
    sendPacket(writer, data, rights.map(fdOf));
  }
}
