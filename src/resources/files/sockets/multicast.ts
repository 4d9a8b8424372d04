// Multicast groups that a socket is a member of, with their sources. The kernel lists them for interfaces only (/proc/net/igmp); whether a socket is in one
// of these is asked with MCAST_MSFILTER. InetSkEntry.more_opts has the answer, as that option's value.
import { create } from "@bufbuild/protobuf";
import { type SocketOptionEntry, SocketOptionEntrySchema } from "../../../images/format/entries.js";
import { AF_INET6, SOL_IP, SOL_IPV6 } from "../../../kernel/abi/in.js";
import {
  group_filter,
  group_req,
  groupFilterBytes,
  MCAST,
  MCAST_EXCLUDE,
  SOCKADDR_STORAGE_BYTES,
} from "../../../kernel/abi/multicast.js";
import { SOCK, type SocketKind } from "../../../kernel/abi/socket.js";
import { failureOf, prepared, RepeatedCalls } from "../../../kernel/batch.js";
import { asFd, type Fd } from "../../../kernel/brand.js";
import { errno } from "../../../kernel/errno.js";
import { encodeAddress } from "../../../kernel/inet-address.js";
import { type Membership, readIgmp, readIgmp6 } from "../../../kernel/proc/igmp.js";
import { writeOption } from "../../../kernel/socket-options.js";
import type { OpenFile } from "../../kind.js";
import { refuseFile } from "../refuse.js";

/** net.ipv6.mld_max_msf is 64, net.ipv4.igmp_max_msf 10, unless somebody has raised them. */
const MOST_SOURCES = 1024;
/** It is not in the group; the interface has no such protocol; the socket has none. */
const NOT_IN_IT = ["EADDRNOTAVAIL", "ENODEV", "ENOPROTOOPT", "EOPNOTSUPP", "EINVAL"] as const;

/** A group of an interface, and the call that asks a socket whether it is in it. */
interface Group {
  readonly level: number;
  readonly question: Uint8Array;
  readonly call: RepeatedCalls;
}

/** Of one dump. */
export class Memberships {
  readonly #room = new Uint8Array(groupFilterBytes(MOST_SOURCES));
  readonly #length = new Uint32Array(1);
  readonly #groups: readonly Group[] = [
    ...readIgmp().map((membership) => this.#groupOf(membership, SOL_IP)),
    ...readIgmp6().map((membership) => this.#groupOf(membership, SOL_IPV6)),
  ];

  #groupOf(membership: Membership, level: number): Group {
    const length = new Uint8Array(this.#length.buffer);
    const call = new RepeatedCalls([prepared.getsockopt(asFd(-1), level, MCAST.MSFILTER, this.#room, length)]);
    return { level, question: questionFor(membership), call };
  }

  collect(file: OpenFile, { family }: SocketKind): SocketOptionEntry[] {
    // A socket of IPv6 may be in groups of IPv4, too.
    const groups = this.#groups.filter(({ level }) => family === AF_INET6 || level === SOL_IP);
    return groups.flatMap((group) => this.#filterOf(file, group) ?? []);
  }

  #filterOf(file: OpenFile, { level, question, call }: Group): SocketOptionEntry | undefined {
    this.#room.set(question);
    this.#length[0] = this.#room.byteLength;
    call.runFor(file.duplicate);
    const raw = call.result(0);
    if (NOT_IN_IT.some((name) => raw === -errno[name])) return undefined;
    const failure = call.calls[0] && failureOf(call.calls[0], raw);
    if (failure !== undefined) throw failure;
    const { gf_numsrc } = group_filter.decode(this.#room);
    if (gf_numsrc > MOST_SOURCES)
      throw refuseFile(
        file.subject,
        `it takes a multicast group from ${gf_numsrc} sources, which are too many`,
        "have the program leave the group",
      );
    const value = this.#room.slice(0, groupFilterBytes(gf_numsrc));
    return create(SocketOptionEntrySchema, { level, name: MCAST.MSFILTER, value });
  }
}

function questionFor({ interfaceIndex, group }: Membership): Uint8Array {
  return group_filter.encode({
    gf_interface: interfaceIndex,
    gf_group: storageOf(encodeAddress({ bytes: group, port: 0, scope: 0 })),
    gf_fmode: 0,
    gf_numsrc: MOST_SOURCES,
    gf_slist: new Uint8Array(SOCKADDR_STORAGE_BYTES),
  });
}

function storageOf(address: Uint8Array): Uint8Array {
  const storage = new Uint8Array(SOCKADDR_STORAGE_BYTES);
  storage.set(address);
  return storage;
}

/** Whether an image has a membership of such a socket there. */
export function isMembership(kind: SocketKind, { level, name, value }: SocketOptionEntry): boolean {
  const isLevel = level === SOL_IP || (level === SOL_IPV6 && kind.family === AF_INET6);
  if (!isLevel || name !== MCAST.MSFILTER || kind.type === SOCK.SOCK_STREAM) return false;
  if (value.byteLength < groupFilterBytes(0)) return false;
  return value.byteLength === groupFilterBytes(sourcesIn(value).gf_numsrc);
}

/** Decodes what may lack the room for a source. */
function sourcesIn(value: Uint8Array) {
  const whole = new Uint8Array(Math.max(value.byteLength, group_filter.sizeBytes));
  whole.set(value);
  return group_filter.decode(whole);
}

/** Throws SyscallError: the interface is gone, for one. */
export function joinAgain(socket: Fd, { level, value }: SocketOptionEntry): void {
  const { gf_interface: gr_interface, gf_group: gr_group, gf_fmode, gf_numsrc } = sourcesIn(value);
  writeOption(socket, level, MCAST.JOIN_GROUP, group_req.encode({ gr_interface, gr_group }));
  if (gf_fmode !== MCAST_EXCLUDE || gf_numsrc > 0) writeOption(socket, level, MCAST.MSFILTER, value);
}
