// Messages in the queue of a unix socket: of those with descriptors, the images have the files; they are sent again as they were sent.
import { create } from "@bufbuild/protobuf";
import { ScmEntrySchema, SkPacketEntrySchema, SocketCredentialsSchema } from "../../../images/format/entries.js";
import { MSG, SCM_RIGHTS, SOCK } from "../../../kernel/abi/socket.js";
import { prepared } from "../../../kernel/batch.js";
import { asPid, type Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { nameIn, outgoing, type Packet } from "../../../kernel/messages.js";
import { sendPacket } from "../../../kernel/packets.js";
import type { QueuedMessage } from "./queues.js";
import type { Origins } from "./unix-origins.js";

export function messageOf(id: number, type: number, packet: Packet, rights: readonly number[]): QueuedMessage {
  const { data, from, credentials } = packet;
  const entry = create(SkPacketEntrySchema, {
    idFor: id,
    length: data.byteLength,
    scm: rights.length === 0 ? [] : [create(ScmEntrySchema, { type: SCM_RIGHTS, rights: [...rights] })],
  });
  if (type === SOCK.SOCK_DGRAM) entry.sender = nameIn(from);
  if (credentials !== undefined) entry.credentials = create(SocketCredentialsSchema, credentials);
  return { entry, data };
}

/** Who sends a message again, and to whom when it is not connected. */
export interface Sending {
  readonly socket: Fd;
  readonly to?: Uint8Array;
}

/**
 * Sends one message; `fdOf` opens the files that are on their way. When the process that had sent it is gone, `origins` sends it as that one. Throws
 * SyscallError, EAGAIN when the queue has no room.
 */
export function sendAgain(
  { socket, to }: Sending,
  { entry, data }: QueuedMessage,
  fdOf: (id: number) => Fd,
  origins: Origins,
): void {
  const { credentials } = entry;
  const along = {
    fds: entry.scm.filter(({ type }) => type === SCM_RIGHTS).flatMap(({ rights }) => rights.map(fdOf)),
    ...(to && { to }),
    ...(credentials && { credentials: { ...credentials, pid: asPid(credentials.pid) } }),
  };
  if (unless("ESRCH", () => sendPacket(socket, data, along, { wait: false }) ?? true) === true) return;
  const { message, alive } = outgoing(data, along);
  origins.callAs(credentials, [prepared.sendmsg(socket, message, MSG.MSG_NOSIGNAL | MSG.MSG_DONTWAIT)]);
  alive.length = 0;
}
