// Who has a file open: /proc/PID/fd of all processes, proc_pid_fd(5).
import { readdirSync } from "node:fs";
import { asPid, type Pid } from "../brand.js";
import { unless } from "../errno.js";
import { listFds, readFdLink } from "./fdinfo.js";

export interface Holder {
  readonly pid: Pid;
  /** What /proc/PID/fd/N leads to: "socket:[4711]". */
  readonly link: string;
}

/**
 * The first process, of those not in `except`, that has one of the files open. Those that we may not look into (ptrace(2), access mode checking) and
 * those of other pid namespaces are passed over.
 */
export function findHolder(links: ReadonlySet<string>, except: ReadonlySet<number>): Holder | undefined {
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || except.has(pid)) continue;
    const link = unless(["EACCES", "EPERM"], () => heldBy(asPid(pid), links));
    if (link !== undefined) return { pid: asPid(pid), link };
  }
  return undefined;
}

function heldBy(pid: Pid, links: ReadonlySet<string>): string | undefined {
  for (const fd of listFds(pid)) {
    const link = readFdLink(pid, fd);
    if (link !== undefined && links.has(link)) return link;
  }
  return undefined;
}
