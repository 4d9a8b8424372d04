// Netlink sockets: netlink(7).
import { create } from "@bufbuild/protobuf";
import {
  type NetlinkSkEntry,
  NetlinkSkEntrySchema,
  type SocketOptionEntry,
  SocketOptionEntrySchema,
} from "../../../images/format/entries.js";
import { AF_NETLINK, NETLINK, SOL_NETLINK, sockaddr_nl } from "../../../kernel/abi/netlink.js";
import { POLL, pollfd, SO_PROTOCOL, SOCK, SOL_SOCKET } from "../../../kernel/abi/socket.js";
import { readOptions } from "../../../kernel/asked-options.js";
import type { Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { own } from "../../../kernel/own-fd.js";
import { integerIn, readInteger, readOption, writeInteger } from "../../../kernel/socket-options.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError } from "../../../report/error.js";
import type { FileKind, OpenFile } from "../../kind.js";
import { refuseFile } from "../refuse.js";
import { applySocketOptions, collectSocketOptions } from "./options.js";

/** Switches of netlink(7) for which CRIU's format has no field. */
const switches = [
  NETLINK.PKTINFO,
  NETLINK.BROADCAST_ERROR,
  NETLINK.NO_ENOBUFS,
  NETLINK.LISTEN_ALL_NSID,
  NETLINK.CAP_ACK,
  NETLINK.EXT_ACK,
  NETLINK.GET_STRICT_CHK,
].map((name) => ({ level: SOL_NETLINK, name }));
/** sock_diag(7), NETLINK_CONNECTED of net/netlink/af_netlink.c. */
const CONNECTED = 1;
const WORD_BITS = 32;
/** More than any protocol has. */
const MOST_GROUP_BYTES = 512;

export const netlinkSocket: FileKind<"nlsk"> = {
  support: "full",
  type: "NETLINKSK",
  field: "nlsk",
  summary: "netlink sockets, netlink(7)",
  signatures: [{ socket: [AF_NETLINK] }],
  limits: [
    "a socket with messages that were not read yet is refused",
    "one whose number is taken by then gets another one, as the kernel gives it",
    "its type is SOCK_RAW afterwards, which netlink does not tell from SOCK_DGRAM",
  ],

  collect(file, common) {
    const { duplicate, stat } = file;
    checkQueue(file);
    const { nl_pid } = addressOf(duplicate, "getsockname");
    const peer = addressOf(duplicate, "getpeername");
    return create(NetlinkSkEntrySchema, {
      ...common,
      ino: Number(stat.ino),
      protocol: readInteger(duplicate, SOL_SOCKET, SO_PROTOCOL),
      state: peer.nl_pid === 0 && peer.nl_groups === 0 ? 0 : CONNECTED,
      portid: nl_pid,
      groups: groupsOf(duplicate),
      dstPortid: peer.nl_pid,
      dstGroup: lowestGroup(peer.nl_groups),
      opts: collectSocketOptions(file),
      moreOpts: switchesOf(duplicate),
    });
  },

  validate({ id, groups, moreOpts }) {
    const isKnown = ({ level, name }: SocketOptionEntry) =>
      switches.some((option) => option.level === level && option.name === name);
    if (groups.length * 4 <= MOST_GROUP_BYTES && moreOpts.every(isKnown)) return;
    throw new StasisError({
      code: "IMAGE_INVALID",
      doing: "read the image",
      subject: { kind: "image", file: "files.img" },
      reason: `netlink socket (file ${id}): its groups or options cannot be`,
    });
  },

  open(entry, context) {
    const socket = context.scope.use(own(sys.socket(AF_NETLINK, SOCK.SOCK_RAW | SOCK.SOCK_CLOEXEC, entry.protocol)));
    if (entry.opts !== undefined) applySocketOptions(socket.fd, entry.opts);
    for (const { level, name, value } of entry.moreOpts)
      sys.setsockopt(socket.fd, level, name, value, value.byteLength);
    if (entry.portid !== 0) bindAgain(socket.fd, entry);
    joinGroups(socket.fd, entry.groups);
    if (entry.state === CONNECTED) {
      const nl_groups = entry.dstGroup === 0 ? 0 : 1 << (entry.dstGroup - 1);
      const peer = sockaddr_nl.encode({ nl_family: AF_NETLINK, nl_pid: entry.dstPortid, nl_groups });
      sys.connect(socket.fd, peer, peer.byteLength);
    }
    return sys.dup(socket.fd);
  },
};

function checkQueue({ duplicate, subject }: OpenFile): void {
  const events = pollfd.encode({ fd: duplicate, events: POLL.POLLIN, revents: 0 });
  sys.poll(events, 1, 0);
  if ((pollfd.decode(events).revents & POLL.POLLIN) !== 0)
    throw refuseFile(subject, "messages of the kernel wait in it", "have the program read them");
}

function addressOf(socket: Fd, call: "getsockname" | "getpeername") {
  const address = new Uint8Array(sockaddr_nl.sizeBytes);
  sys[call](socket, address, new Uint8Array(Uint32Array.of(address.byteLength).buffer));
  return sockaddr_nl.decode(address);
}

/** As words of 32 bits, as many as are needed. */
function groupsOf(socket: Fd): number[] {
  const bytes = readOption(socket, {
    level: SOL_NETLINK,
    name: NETLINK.LIST_MEMBERSHIPS,
    sizeBytes: MOST_GROUP_BYTES,
  });
  const words = [...new Uint32Array(bytes.slice(0, bytes.byteLength & ~3).buffer)];
  return words.slice(0, words.findLastIndex((word) => word !== 0) + 1);
}

/** What connect(2) took of its address: group 1 is the lowest bit. */
const lowestGroup = (mask: number) => (mask === 0 ? 0 : WORD_BITS - Math.clz32(mask & -mask));

function switchesOf(socket: Fd): SocketOptionEntry[] {
  const values = readOptions(socket, switches);
  return switches.flatMap((option, index) => {
    const value = values[index];
    return value === undefined || integerIn(value) === 0
      ? []
      : [create(SocketOptionEntrySchema, { ...option, value: value.slice() })];
  });
}

/** Most programs let the kernel choose a number, and their pid is the first that it tries. */
function bindAgain(socket: Fd, { portid }: NetlinkSkEntry): void {
  const bindTo = (nl_pid: number) => {
    const address = sockaddr_nl.encode({ nl_family: AF_NETLINK, nl_pid, nl_groups: 0 });
    sys.bind(socket, address, address.byteLength);
    return true;
  };
  if (unless("EADDRINUSE", () => bindTo(portid)) !== true) bindTo(0);
}

function joinGroups(socket: Fd, words: readonly number[]): void {
  for (const [index, word] of words.entries())
    for (let bit = 0; bit < WORD_BITS; bit++)
      if (((word >>> bit) & 1) !== 0)
        writeInteger(socket, SOL_NETLINK, NETLINK.ADD_MEMBERSHIP, index * WORD_BITS + bit + 1);
}
