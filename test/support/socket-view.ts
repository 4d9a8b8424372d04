// What an application sees of each socket of a process: every option by getsockopt(2), and what sock_diag(7) tells (by ss(8) of iproute2). Compared before
// and after, whether the sources know of an option or not.
import { execFileSync } from "node:child_process";
import { asFd, type Fd, type Pid } from "../../src/kernel/brand.js";
import { SyscallError } from "../../src/kernel/errno.js";
import { own } from "../../src/kernel/own-fd.js";
import { listFds, readFdLink } from "../../src/kernel/proc/fdinfo.js";
import { sys } from "../../src/kernel/syscalls.js";

/** By level, the highest option that include/uapi knows, and those that are not state of the socket, or change it when they are asked for. */
const levels: readonly { readonly level: number; readonly most: number; readonly without: readonly number[] }[] = [
  // SO_ERROR is taken by reading; PEERGROUPS, PEERPIDFD are a limit of unix sockets; INCOMING_CPU, MEMINFO, NAPI_ID, COOKIE are new each time.
  { level: 1, most: 84, without: [4, 49, 55, 56, 57, 59, 77] },
  // PROTOCOL shows a port that was bound as if it were one.
  { level: 0, most: 53, without: [52] },
  // V6ONLY: bind(2) to an address sets it for good, and accept(2) does not.
  { level: 41, most: 80, without: [26] },
  // MAXSEG is what the next segment might have, QUICKACK what the kernel thinks of the traffic. INFO, CC_INFO: counters. REPAIR_QUEUE, QUEUE_SEQ, REPAIR_OPTIONS, REPAIR_WINDOW, TIMESTAMP: mean something in repair mode. SAVED_SYN: taken by reading.
  { level: 6, most: 45, without: [2, 11, 12, 20, 21, 22, 24, 26, 28, 29, 35] },
  { level: 17, most: 104, without: [] },
  { level: 270, most: 12, without: [] },
  // PACKET_STATISTICS: taken by reading.
  { level: 263, most: 25, without: [6] },
];
/** accept(2) leaves hops and interface of the first segment where the multicast options of a datagram socket are. */
const ofDatagrams = ["0:32", "0:33", "0:34", "41:16", "41:17", "41:18"];
const ROOM_BYTES = 512;
const SO_TYPE = "1:3";
const SOCK_STREAM = "01000000";

export function socketView(pid: Pid): unknown[] {
  const shown = diagnosed(pid);
  using process = own(sys.pidfd_open(pid, 0));
  return listFds(pid).flatMap((fd) => {
    const inode = /^socket:\[(\d+)\]$/.exec(readFdLink(pid, fd) ?? "")?.[1];
    if (inode === undefined) return [];
    using socket = own(asFd(sys.pidfd_getfd(process.fd, fd, 0)));
    return [{ fd, diagnosed: shown.get(inode) ?? "nothing", options: optionsOf(socket.fd) }];
  });
}

function optionsOf(socket: Fd): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { level, most, without } of levels)
    for (let name = 1; name <= most; name++) {
      const value = without.includes(name) ? undefined : askFor(socket, level, name);
      if (value !== undefined) found[`${level}:${name}`] = value;
    }
  if (found[SO_TYPE] === SOCK_STREAM) for (const name of ofDatagrams) delete found[name];
  return found;
}

function askFor(socket: Fd, level: number, name: number): string | undefined {
  const value = new Uint8Array(ROOM_BYTES);
  const length = new Uint32Array([ROOM_BYTES]);
  try {
    sys.getsockopt(socket, level, name, value, new Uint8Array(length.buffer));
    return Buffer.from(value.subarray(0, length[0])).toString("hex");
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return error.errno === "ENOPROTOOPT" || error.errno === "EOPNOTSUPP" ? undefined : error.errno;
  }
}

/** Bytes move from one end to the other as long as they have room; how many wait to be sent is told with the kernel's own overhead. */
const QUEUES = /^(\S+ +\S+) +\d+ +\d+/;

/** Lines of ss by inode number. Inode numbers, addresses in the kernel and running timers are left out. */
function diagnosed(pid: Pid): Map<string, string> {
  const ss = (...words: string[]) => {
    const inside = ["-t", String(pid), "-n", "ss", "-H", "-a", "-n", "-e", "-O", ...words];
    return execFileSync("nsenter", inside, { encoding: "utf8" }).split("\n");
  };
  const inet = ss("-t", "-u", "-w").flatMap((line) => {
    const inode = /\bino:(\d+)/.exec(line)?.[1];
    return inode === undefined
      ? []
      : [[inode, line.replaceAll(/ (ino|sk|cgroup|timer):\S+/g, "").replace(QUEUES, "$1")] as const];
  });
  const unix = ss("-x").map((line) => {
    const [netid, state, received, , name, inode = "", peer] = line.trim().split(/\s+/);
    return [inode, `${netid} ${state} ${received} ${name} ${peer}`] as const;
  });
  return new Map([...inet, ...unix].map(([inode, line]) => [inode, line.replaceAll(/\s+/g, " ").trim()]));
}
