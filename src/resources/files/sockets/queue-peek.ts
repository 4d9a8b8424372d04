// What waits in the queue of a socket, read with MSG_PEEK, so that the program finds it as it was. SO_PEEK_OFF of socket(7) leads from message to
// message.
import { MSG, SO_PEEK_OFF, SO_RCVBUF, SOCK, SOL_SOCKET, type SocketOption } from "../../../kernel/abi/socket.js";
import { runApart } from "../../../kernel/apart.js";
import { failureOf, prepared } from "../../../kernel/batch.js";
import type { Fd } from "../../../kernel/brand.js";
import { type Incoming, incoming, MOST_FDS, type Packet } from "../../../kernel/messages.js";
import { readableWithin } from "../../../kernel/packets.js";
import { readInteger } from "../../../kernel/socket-options.js";
import { readNumber } from "./options.js";

/** A message is no larger than the buffer that it lies in; that counts the kernel's own overhead too. */
const roomFor = (socket: Fd) => readNumber(socket, SO_RCVBUF) * 2 + 256 * 1024;
const AT_A_TIME = 8;

/** Reads queues one after the other, in the same memory. */
export class QueuePeek {
  #places: Incoming[] = [];
  #roomBytes = 0;

  /**
   * Everything that waits, with what these `switches` of the socket tell of it. Streams have no messages, but descriptors, and another process's
   * credentials, end a piece of them.
   */
  *queue(socket: Fd, type: number, switches: readonly SocketOption[]): Generator<Packet> {
    if (!readableWithin(socket, 0)) return;
    for (let offset = 0; ; ) {
      for (const packet of this.#next(socket, offset, switches)) {
        // Nothing from a socket with connections is their end. An empty datagram is seen once: net/core/datagram.c, __skb_try_recv_from_queue().
        if (packet === undefined || (packet.data.byteLength === 0 && type !== SOCK.SOCK_DGRAM)) return;
        yield { ...packet, data: packet.data.slice() };
        offset += packet.data.byteLength;
      }
    }
  }

  /**
   * Messages from an offset on; undefined: there is none. The switches, and where the program peeks itself (SO_PEEK_OFF), are as before afterwards,
   * also when we are killed meanwhile.
   */
  *#next(socket: Fd, offset: number, switches: readonly SocketOption[]): Generator<Packet | undefined> {
    const places = this.#placesFor(roomFor(socket));
    const used = [...switches, PEEK_OFF];
    const flags = MSG.MSG_PEEK | MSG.MSG_DONTWAIT | MSG.MSG_CMSG_CLOEXEC;
    const before = used.map((option) => set(socket, option, readInteger(socket, option.level, option.name)));
    const calls = [
      ...switches.map((option) => set(socket, option, 1)),
      set(socket, PEEK_OFF, offset),
      ...places.map(({ message }) => prepared.recvmsg(socket, message, flags)),
      ...before,
      // Should one of them fail, the dump does; the program is as before all the same.
      ...before,
    ];
    const results = runApart(calls);
    for (const [index, call] of calls.entries()) {
      const result = results[index] ?? 0n;
      const error = failureOf(call, result);
      const place = places[index - used.length];
      if (error === undefined) {
        if (place !== undefined) yield place.packet(Number(result));
        continue;
      }
      if (error.errno === "EAGAIN") return yield undefined;
      // An error of the connection is told once, and what waits can be read after it.
      if (place === undefined || !TOLD_ONCE.has(error.errno)) throw error;
    }
  }

  #placesFor(roomBytes: number): readonly Incoming[] {
    if (roomBytes > this.#roomBytes) {
      this.#places = Array.from({ length: AT_A_TIME }, () => incoming(roomBytes, MOST_FDS));
      this.#roomBytes = roomBytes;
    }
    for (const place of this.#places) place.reset();
    return this.#places;
  }
}
const PEEK_OFF: SocketOption = { level: SOL_SOCKET, name: SO_PEEK_OFF };
const TOLD_ONCE: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EMSGSIZE",
  "EPROTO",
]);

const set = (socket: Fd, { level, name }: SocketOption, value: number) =>
  prepared.setsockopt(socket, level, name, new Uint8Array(Int32Array.of(value).buffer), 4);
