// Packet sockets: packet(7). Their rings are mapped memory of the kernel's, which comes back empty.
import { create } from "@bufbuild/protobuf";
import {
  type PacketMclist,
  PacketMclistSchema,
  type PacketRing,
  PacketRingSchema,
  type PacketSockEntry,
  PacketSockEntrySchema,
  SocketOptionEntrySchema,
  type VmaEntry,
} from "../../../images/format/entries.js";
import { AF_PACKET, PACKET, PACKET_FANOUT, PDI, SOL_PACKET, type tpacket_req3 } from "../../../kernel/abi/packet.js";
import { readOptions } from "../../../kernel/asked-options.js";
import type { ShapeOf } from "../../../kernel/declare/struct.js";
import { type PacketSocketState, packetSocketState } from "../../../kernel/netlink/packet-diag.js";
import { integerBytes, integerIn } from "../../../kernel/socket-options.js";
import type { DumpContext, DumpedProcess, FileCommon, FileKind, OpenFile } from "../../kind.js";
import { refuseFile } from "../refuse.js";
import { collectSocketOptions } from "./options.js";
import { openPacketSocket, validatePacket } from "./packet-restored.js";

const CLOSE_IT = "have the program close it before the dump";

export const packetSocket: FileKind<"psk"> = {
  support: "full",
  type: "PACKETSK",
  field: "psk",
  summary: "packet sockets, packet(7)",
  signatures: [{ socket: [AF_PACKET] }],
  limits: ["packets that were not read yet are lost, in rings too", "fanout by a BPF program is refused"],

  collect(file, common, context) {
    return context.once(PacketSockets).collect(file, common);
  },

  validate(entry) {
    validatePacket(entry);
  },

  open(entry) {
    return openPacketSocket(entry);
  },
};

/** Options for which CRIU's format has no field. */
export const packetSwitches = [PACKET.QDISC_BYPASS, PACKET.IGNORE_OUTGOING].map((name) => ({
  level: SOL_PACKET,
  name,
}));

/** The packet sockets of one dump. */
export class PacketSockets {
  /** Ids of files, by inode number. */
  readonly #ids = new Map<number, number>();

  constructor(readonly context: DumpContext) {}

  collect(file: OpenFile, common: FileCommon): PacketSockEntry {
    const ino = Number(file.stat.ino);
    const state = packetSocketState(ino);
    if (state === undefined)
      throw refuseFile(file.subject, "it is in another network namespace, which is not supported yet", CLOSE_IT);
    this.#ids.set(ino, common.id);
    const { info, rxRing, txRing, fanout } = state;
    const has = (flag: number) => (info.pdi_flags & flag) !== 0;
    const entry = create(PacketSockEntrySchema, {
      ...common,
      type: state.type,
      protocol: networkOrder(state.protocol),
      ifindex: info.pdi_index,
      opts: collectSocketOptions(file),
      version: info.pdi_version,
      reserve: info.pdi_reserve,
      auxData: has(PDI.AUXDATA),
      origDev: has(PDI.ORIGDEV),
      vnetHdr: has(PDI.VNETHDR),
      loss: has(PDI.LOSS),
      timestamp: info.pdi_tstamp,
      copyThresh: info.pdi_copy_thresh,
      mclist: membershipsOf(state, file),
      moreOpts: switchesOf(file),
    });
    if (rxRing !== undefined) entry.rxRing = ringOf(rxRing);
    if (txRing !== undefined) entry.txRing = ringOf(txRing);
    if (fanout !== undefined) entry.fanout = checkFanout(fanout, file);
    return entry;
  }

  /** When the descriptors of the process are known: which socket a mapping of its ring belongs to. */
  resolveRings(process: DumpedProcess, vmas: readonly VmaEntry[]): void {
    for (const { start, inode, path } of process.mappings) {
      if (!path.startsWith("socket:")) continue;
      const vma = vmas.find((entry) => entry.start === start);
      const id = this.#ids.get(Number(inode));
      if (vma === undefined || id === undefined)
        throw refuseFile(
          { kind: "process", pid: process.pid, comm: process.comm },
          `it has mapped the ring of ${path}, which no process of the tree has open`,
          "have the program unmap it before the dump",
        );
      vma.shmid = BigInt(id);
    }
  }
}

/** CRIU's entry has the number as it lies in memory in network byte order. */
const networkOrder = (number: number) => ((number & 0xff) << 8) | (number >> 8);

function membershipsOf({ memberships }: PacketSocketState, { subject }: OpenFile): PacketMclist[] {
  return memberships.map(({ pdmc_index, pdmc_count, pdmc_type, pdmc_alen, pdmc_addr }) => {
    if (pdmc_count !== 1) throw refuseFile(subject, "it has joined one group several times", CLOSE_IT);
    const addr = pdmc_addr.subarray(0, pdmc_alen);
    return create(PacketMclistSchema, { index: pdmc_index, type: pdmc_type, addr });
  });
}

const ringOf = (ring: ShapeOf<typeof tpacket_req3>): PacketRing =>
  create(PacketRingSchema, {
    blockSize: ring.tp_block_size,
    blockNr: ring.tp_block_nr,
    frameSize: ring.tp_frame_size,
    frameNr: ring.tp_frame_nr,
    retireTmo: ring.tp_retire_blk_tov,
    sizeofPriv: ring.tp_sizeof_priv,
    features: ring.tp_feature_req_word,
  });

/** Bits 16 to 23 are how packets are shared out. */
function checkFanout(fanout: number, { subject }: OpenFile): number {
  const how = (fanout >>> 16) & 0xff;
  if (how === PACKET_FANOUT.CBPF || how === PACKET_FANOUT.EBPF)
    throw refuseFile(
      subject,
      "a BPF program shares out its packets (PACKET_FANOUT), which cannot be read back",
      CLOSE_IT,
    );
  return fanout;
}

function switchesOf({ duplicate }: OpenFile) {
  const values = readOptions(duplicate, packetSwitches);
  return packetSwitches.flatMap(({ level, name }, index) => {
    const value = values[index];
    if (value === undefined || integerIn(value) === 0) return [];
    return [create(SocketOptionEntrySchema, { level, name, value: integerBytes(integerIn(value)) })];
  });
}
