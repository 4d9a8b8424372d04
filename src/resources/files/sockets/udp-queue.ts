// Datagrams of UDP that wait, udp(7): each with the address that it came from, and the one that it was sent to.
import { create } from "@bufbuild/protobuf";
import { InetEndpointSchema, SkPacketEntrySchema } from "../../../images/format/entries.js";
import { AF_INET6, IP, IPPROTO, IPV6, SOL_IP, SOL_IPV6 } from "../../../kernel/abi/in.js";
import { SOCK, type SocketKind, type SocketOption } from "../../../kernel/abi/socket.js";
import type { Fd } from "../../../kernel/brand.js";
import { decodeAddress, unmapped } from "../../../kernel/inet-address.js";
import type { Packet } from "../../../kernel/messages.js";
import type { QueuePeek } from "./queue-peek.js";
import type { QueuedMessage } from "./queues.js";

export const isUdp = ({ type, protocol }: SocketKind): boolean =>
  type === SOCK.SOCK_DGRAM && (protocol === IPPROTO.UDP || protocol === IPPROTO.UDPLITE);

const TELL_DESTINATION: Readonly<Record<"v4" | "v6", SocketOption>> = {
  v4: { level: SOL_IP, name: IP.PKTINFO },
  v6: { level: SOL_IPV6, name: IPV6.RECVPKTINFO },
};

/** What waits in the socket, which is file `id` of the images. */
export function* datagramsIn(
  socket: Fd,
  id: number,
  { family, type }: SocketKind,
  peek: QueuePeek,
): Generator<QueuedMessage> {
  const tell = TELL_DESTINATION[family === AF_INET6 ? "v6" : "v4"];
  for (const packet of peek.queue(socket, type, [tell])) yield datagramOf(id, packet);
}

function datagramOf(id: number, { data, from, destination }: Packet): QueuedMessage {
  const source = decodeAddress(from);
  const entry = create(SkPacketEntrySchema, { idFor: id, length: data.byteLength });
  if (source !== undefined) {
    const { bytes, port } = unmapped(source);
    entry.source = create(InetEndpointSchema, { address: bytes, port });
  }
  if (destination !== undefined) entry.destination = unmapped({ bytes: destination, port: 0, scope: 0 }).bytes;
  return { entry, data };
}
