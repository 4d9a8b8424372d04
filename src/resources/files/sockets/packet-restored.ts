// Packet sockets on a restore.
import type { PacketMclist, PacketRing, PacketSockEntry, SocketOptionEntry } from "../../../images/format/entries.js";
import {
  AF_PACKET,
  PACKET,
  packet_mreq_max,
  SOL_PACKET,
  sockaddr_ll,
  tpacket_req3,
} from "../../../kernel/abi/packet.js";
import { SOCK } from "../../../kernel/abi/socket.js";
import type { Fd } from "../../../kernel/brand.js";
import { interfaceName } from "../../../kernel/interface-name.js";
import { own } from "../../../kernel/own-fd.js";
import { writeInteger, writeOption } from "../../../kernel/socket-options.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import { applySocketOptions } from "./options.js";

const MOST_ADDRESS_BYTES = 32;
const carried = [PACKET.QDISC_BYPASS, PACKET.IGNORE_OUTGOING] as const;
const isCarried = ({ level, name }: SocketOptionEntry) => level === SOL_PACKET && carried.some((one) => one === name);

/** Throws StasisError. */
export function validatePacket({ id, type, mclist, moreOpts }: PacketSockEntry): void {
  const types: readonly number[] = [SOCK.SOCK_DGRAM, SOCK.SOCK_RAW, SOCK.SOCK_PACKET];
  const isSound =
    types.includes(type) &&
    mclist.every(({ addr }) => addr.byteLength <= MOST_ADDRESS_BYTES) &&
    moreOpts.every(isCarried);
  if (isSound) return;
  throw new StasisError({
    code: "IMAGE_INVALID",
    doing: "read the image",
    subject: { kind: "image", file: "files.img" },
    reason: `packet socket (file ${id}): its type, memberships or options cannot be`,
  });
}

/** It takes part when it is bound, with everything else set: packets that come before that are none of the program's. */
export function openPacketSocket(entry: PacketSockEntry): Fd {
  const isOld = entry.type === SOCK.SOCK_PACKET;
  using socket = own(sys.socket(AF_PACKET, entry.type | SOCK.SOCK_CLOEXEC, isOld ? entry.protocol : 0));
  if (entry.opts !== undefined) applySocketOptions(socket.fd, entry.opts);
  if (isOld) bindByName(socket.fd, entry);
  else {
    applyPacketOptions(socket.fd, entry);
    setRing(socket.fd, PACKET.RX_RING, entry.rxRing);
    setRing(socket.fd, PACKET.TX_RING, entry.txRing);
    bindAgain(socket.fd, entry);
    for (const membership of entry.mclist) join(socket.fd, membership);
    if (entry.fanout !== NO_FANOUT) writeInteger(socket.fd, SOL_PACKET, PACKET.FANOUT, entry.fanout | 0);
  }
  return socket.release();
}
/** The field's default: a group may have any number below. */
const NO_FANOUT = 0xffffffff;

function applyPacketOptions(socket: Fd, entry: PacketSockEntry): void {
  const set = (name: number, value: number | boolean) => {
    if (Number(value) !== 0) writeInteger(socket, SOL_PACKET, name, Number(value));
  };
  set(PACKET.VERSION, entry.version);
  set(PACKET.RESERVE, entry.reserve);
  set(PACKET.TIMESTAMP, entry.timestamp);
  set(PACKET.COPY_THRESH, entry.copyThresh);
  set(PACKET.AUXDATA, entry.auxData);
  set(PACKET.ORIGDEV, entry.origDev);
  set(PACKET.VNET_HDR, entry.vnetHdr);
  set(PACKET.LOSS, entry.loss);
  for (const { level, name, value } of entry.moreOpts) writeOption(socket, level, name, value);
}

function setRing(socket: Fd, name: number, ring: PacketRing | undefined): void {
  if (ring === undefined) return;
  const request = tpacket_req3.encode({
    tp_block_size: ring.blockSize,
    tp_block_nr: ring.blockNr,
    tp_frame_size: ring.frameSize,
    tp_frame_nr: ring.frameNr,
    tp_retire_blk_tov: ring.retireTmo,
    tp_sizeof_priv: ring.sizeofPriv,
    tp_feature_req_word: ring.features,
  });
  writeOption(socket, SOL_PACKET, name, request);
}

function bindAgain(socket: Fd, { protocol, ifindex }: PacketSockEntry): void {
  const address = sockaddr_ll.encode({
    sll_family: AF_PACKET,
    sll_protocol: ((protocol & 0xff) << 8) | (protocol >> 8),
    sll_ifindex: ifindex,
  });
  sys.bind(socket, address, address.byteLength);
}

/** SOCK_PACKET of Linux 2.0: a `sockaddr` with the name of the interface. */
function bindByName(socket: Fd, { ifindex, id }: PacketSockEntry): void {
  if (ifindex <= 0) return;
  const name = interfaceName(socket, ifindex);
  if (name === undefined)
    throw new StasisError({
      code: "KERNEL_REFUSED",
      doing: "restore the file",
      subject: { kind: "image", file: "files.img" },
      reason: `packet socket (file ${id}): there is no interface ${ifindex}`,
    });
  const address = Buffer.alloc(ADDRESS_BYTES);
  address.writeUInt16LE(AF_PACKET, 0);
  address.write(name, 2, ADDRESS_BYTES - 3, "latin1");
  sys.bind(socket, address, address.byteLength);
}
/** sizeof(struct sockaddr) */
const ADDRESS_BYTES = 16;

function join(socket: Fd, { index, type, addr }: PacketMclist): void {
  const mr_address = new Uint8Array(MOST_ADDRESS_BYTES);
  mr_address.set(addr);
  const request = { mr_ifindex: index, mr_type: type, mr_alen: addr.byteLength, mr_address };
  writeOption(socket, SOL_PACKET, PACKET.ADD_MEMBERSHIP, packet_mreq_max.encode(request));
}
