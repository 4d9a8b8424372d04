// What /proc/net shows of the sockets of a process: compared before and after. proc_pid_net(5)
import { readFileSync } from "node:fs";
import type { Pid } from "../../src/kernel/brand.js";
import { listFds, readFdLink } from "../../src/kernel/proc/fdinfo.js";

const tables = ["tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6", "icmp", "icmp6"];

/** For each descriptor of a socket: table, local and remote address, state. Empty for one that is bound to nothing. */
export function socketsOf(pid: Pid): [fd: number, shown: string][] {
  const lines = new Map(tables.flatMap((table) => linesOf(pid, table)));
  return listFds(pid).flatMap((fd) => {
    const inode = /^socket:\[(\d+)\]$/.exec(readFdLink(pid, fd) ?? "")?.[1];
    return inode === undefined ? [] : [[fd, lines.get(inode) ?? ""]];
  });
}

function linesOf(pid: Pid, table: string): [inode: string, shown: string][] {
  const [, ...lines] = readFileSync(`/proc/${pid}/net/${table}`, "utf8").trim().split("\n");
  return lines.map((line) => {
    const [, local, remote, state, , , , , , inode = ""] = line.trim().split(/\s+/);
    return [inode, `${table} ${local} ${remote} ${state}`];
  });
}
