// What the kernel knows of a packet socket: sock_diag(7), net/packet/diag.c, which tells of all there are.
import { AF_NETLINK, NETLINK_SOCK_DIAG, NLM_F_DUMP } from "../abi/netlink.js";
import {
  AF_PACKET,
  PACKET_DIAG,
  PACKET_SHOW,
  packet_diag_info,
  packet_diag_mclist,
  packet_diag_msg,
  packet_diag_req,
  tpacket_req3,
} from "../abi/packet.js";
import { SOCK_DIAG_BY_FAMILY } from "../abi/sock-diag.js";
import { SOCK } from "../abi/socket.js";
import type { ShapeOf } from "../declare/struct.js";
import { SyscallError } from "../errno.js";
import { own } from "../own-fd.js";
import { sys } from "../syscalls.js";
import { attributesIn, encodeMessage, errorIn, isEnd, messagesIn } from "./message.js";

export interface PacketSocketState {
  readonly inode: number;
  readonly type: number;
  /** As socket(2) takes it, in host byte order. */
  readonly protocol: number;
  readonly info: ShapeOf<typeof packet_diag_info>;
  readonly memberships: readonly ShapeOf<typeof packet_diag_mclist>[];
  readonly rxRing?: ShapeOf<typeof tpacket_req3>;
  readonly txRing?: ShapeOf<typeof tpacket_req3>;
  readonly fanout?: number;
}
const ANSWER_BYTES = 64 * 1024;

/** Undefined: no such socket in our network namespace. */
export function packetSocketState(inode: number): PacketSocketState | undefined {
  using netlink = own(sys.socket(AF_NETLINK, SOCK.SOCK_RAW | SOCK.SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  const { INFO, MCLIST, RING_CFG, FANOUT } = PACKET_SHOW;
  const request = packet_diag_req.encode({
    sdiag_family: AF_PACKET,
    sdiag_protocol: 0,
    pdiag_ino: 0,
    pdiag_show: INFO | MCLIST | RING_CFG | FANOUT,
  });
  const question = encodeMessage(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request);
  sys.write(netlink.fd, question, question.byteLength);
  const room = new Uint8Array(ANSWER_BYTES);
  for (;;) {
    for (const message of messagesIn(room.subarray(0, sys.read(netlink.fd, room, room.byteLength)))) {
      const failed = errorIn(message);
      if (failed !== undefined) throw new SyscallError("sock_diag", failed, []);
      if (isEnd(message)) return undefined;
      const state = decodePacketSocket(message.body);
      if (state?.inode === inode) return state;
    }
  }
}

/** Undefined: a body that is none. */
export function decodePacketSocket(body: Uint8Array): PacketSocketState | undefined {
  if (body.byteLength < packet_diag_msg.sizeBytes) return undefined;
  const { pdiag_ino, pdiag_type, pdiag_num } = packet_diag_msg.decode(body);
  const attributes = attributesIn(body.subarray(packet_diag_msg.sizeBytes));
  const info = attributes.get(PACKET_DIAG.INFO);
  if (info === undefined || info.byteLength < packet_diag_info.sizeBytes) return undefined;
  const ring = (type: number) => {
    const found = attributes.get(type);
    return found !== undefined && found.byteLength >= tpacket_req3.sizeBytes ? tpacket_req3.decode(found) : undefined;
  };
  const [rxRing, txRing] = [ring(PACKET_DIAG.RX_RING), ring(PACKET_DIAG.TX_RING)];
  const fanout = attributes.get(PACKET_DIAG.FANOUT);
  return {
    inode: pdiag_ino,
    type: pdiag_type,
    protocol: pdiag_num,
    info: packet_diag_info.decode(info),
    memberships: membershipsIn(attributes.get(PACKET_DIAG.MCLIST) ?? new Uint8Array()),
    ...(rxRing === undefined ? {} : { rxRing }),
    ...(txRing === undefined ? {} : { txRing }),
    ...(fanout === undefined || fanout.byteLength < 4
      ? {}
      : { fanout: new DataView(fanout.buffer, fanout.byteOffset).getUint32(0, true) }),
  };
}

function membershipsIn(bytes: Uint8Array): ShapeOf<typeof packet_diag_mclist>[] {
  const { sizeBytes } = packet_diag_mclist;
  return Array.from({ length: Math.floor(bytes.byteLength / sizeBytes) }, (_, index) =>
    packet_diag_mclist.decode(bytes.subarray(index * sizeBytes)),
  );
}
