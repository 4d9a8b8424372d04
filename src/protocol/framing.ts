// Framing of criurpc: one message is one SEQPACKET packet, with no length and no magic. unix(7)
import type { Fd } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import type { Packet } from "../kernel/messages.js";
import { nextPacketBytes, receivePacket, sendPacket } from "../kernel/packets.js";
import { ready } from "../kernel/readiness.js";
import { StasisError } from "../report/error.js";

/** Far above what a default socket buffer lets through (some 200 KiB), far below what would hurt us. */
export const MAX_MESSAGE_BYTES = 1 << 20;

/**
 * The next message, waiting for it as the socket does. Undefined: the other side is gone, or sent an empty packet, which means the same.
 * @throws StasisError PROTOCOL when it is larger than MAX_MESSAGE_BYTES; it is taken off the socket then
 */
export function receiveMessage(socket: Fd): Packet | undefined {
  const size = sizeOfNext(socket) ?? sizeOfNext(socket) ?? 0;
  if (size === 0) return undefined;
  const packet = receivePacket(socket, Math.min(size, MAX_MESSAGE_BYTES));
  if (size <= MAX_MESSAGE_BYTES) return packet;
  for (const fd of packet.fds) fd[Symbol.dispose]();
  throw new StasisError({
    code: "PROTOCOL",
    doing: "read",
    subject: { kind: "host", what: "a message" },
    reason: `it has ${size} bytes, at most ${MAX_MESSAGE_BYTES} are read`,
  });
}

/** ECONNRESET: the other side left without reading all of ours. That is said once; what it had sent before can be read after. */
const sizeOfNext = (socket: Fd): number | undefined => unless("ECONNRESET", () => nextPacketBytes(socket));

/** Sends one message; blocks as the socket does. Result: false when the other side is gone. */
export function sendMessage(socket: Fd, message: Uint8Array, fds: readonly Fd[] = []): boolean {
  return unless(["EPIPE", "ECONNRESET", "ENOTCONN"], () => sendPacket(socket, message, { fds }) ?? true) ?? false;
}

/** As `receiveMessage`, for a socket that does not block, and without blocking the event loop. Rejects with the reason of `signal`. */
export async function receiveMessageAsync(socket: Fd, signal?: AbortSignal): Promise<Packet | undefined> {
  for (;;) {
    await ready(socket, "readable", signal);
    const received = unless("EAGAIN", () => ({ packet: receiveMessage(socket) }));
    if (received !== undefined) return received.packet;
  }
}

/** As `sendMessage`, for a socket that does not block, and without blocking the event loop. Rejects with the reason of `signal`. */
export async function sendMessageAsync(socket: Fd, message: Uint8Array, signal?: AbortSignal): Promise<boolean> {
  for (;;) {
    signal?.throwIfAborted();
    const sent = unless("EAGAIN", () => sendMessage(socket, message));
    if (sent !== undefined) return sent;
    await ready(socket, "writable", signal);
  }
}
