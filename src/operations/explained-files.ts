// The open files of a tree, counted and named for people.
import { FdType, type FileEntry, type InetSkEntry, type UnixSkEntry } from "../images/format/entries.js";
import { AF_INET6 } from "../kernel/abi/in.js";
import { SOCK, TCP_LISTEN } from "../kernel/abi/socket.js";
import { TCP_STATE } from "../kernel/abi/tcp.js";
import { showAddress } from "../kernel/inet-address.js";
import { destinationOf, sourceOf } from "../resources/files/sockets/inet-entry.js";
import { kindNamed } from "../resources/index.js";

export interface ExplainedFiles {
  /** As the images name the kind. */
  readonly type: string;
  readonly summary: string;
  readonly count: number;
}
export interface ExplainedSocket {
  readonly type: string;
  /** "stream", "datagram", ... */
  readonly kind: string;
  readonly state: "listening" | "connected" | "unconnected";
  readonly local: string;
  readonly remote: string;
}

export function filesOf(entries: readonly FileEntry[]): ExplainedFiles[] {
  const counts = new Map<FdType, number>();
  // A file may have an entry for its path besides, of the same number.
  for (const { type } of new Map(entries.map((entry) => [entry.id, entry])).values())
    counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts]
    .map(([type, count]) => ({ type: FdType[type], summary: kindNamed(FdType[type])?.summary ?? "", count }))
    .sort((one, other) => other.count - one.count || (one.type < other.type ? -1 : 1));
}

export function socketsOf(entries: readonly FileEntry[]): ExplainedSocket[] {
  return entries.flatMap(({ isk, usk }) => [...(isk ? [inet(isk)] : []), ...(usk ? [unix(usk)] : [])]);
}

const kinds: Readonly<Record<number, string>> = {
  [SOCK.SOCK_STREAM]: "stream",
  [SOCK.SOCK_DGRAM]: "datagram",
  [SOCK.SOCK_RAW]: "raw",
  [SOCK.SOCK_SEQPACKET]: "packets",
};
const kindOf = (type: number) => kinds[type] ?? `type ${type}`;

function inet(entry: InetSkEntry): ExplainedSocket {
  const state =
    entry.state === TCP_STATE.LISTEN ? "listening" : entry.state === TCP_STATE.CLOSE ? "unconnected" : "connected";
  return {
    type: entry.family === AF_INET6 ? "INET6" : "INET",
    kind: kindOf(entry.type),
    state,
    local: showAddress(sourceOf(entry)),
    remote: state === "connected" ? showAddress(destinationOf(entry)) : "",
  };
}

function unix(entry: UnixSkEntry): ExplainedSocket {
  const state = entry.state === TCP_LISTEN ? "listening" : entry.peer === 0 ? "unconnected" : "connected";
  const name = Buffer.from(entry.name).toString("utf8").replaceAll("\0", "@").replace(/@$/, "");
  return { type: "UNIX", kind: kindOf(entry.type), state, local: name, remote: "" };
}
