// The namespaces of a process, by inode number: namespaces(7), "The /proc/pid/ns/ directory".
import type { Pid } from "../brand.js";
import { ProcFormatError, readProcLink } from "./read.js";

export type NamespaceName = "pid" | "net" | "ipc" | "uts" | "mnt" | "user" | "cgroup" | "time" | ForChildren;
/** Those that a child of the process will be in. */
export type ForChildren = "pid_for_children" | "time_for_children";
/** Inode numbers; two processes in the same namespace have the same. 0: the kernel has no such namespaces. */
export type Namespaces = Readonly<Record<NamespaceName, number>>;

/** undefined: the process is gone. Throws SyscallError EACCES for who may not ptrace it. */
export function readNamespaces(pid: Pid): Namespaces | undefined {
  if (readProcLink(pid, "ns/mnt") === undefined) return undefined;
  const inode = (name: NamespaceName): number => {
    const link = readProcLink(pid, `ns/${name}`);
    return link === undefined ? 0 : parseNamespaceLink(link);
  };
  return {
    pid: inode("pid"),
    net: inode("net"),
    ipc: inode("ipc"),
    uts: inode("uts"),
    mnt: inode("mnt"),
    user: inode("user"),
    cgroup: inode("cgroup"),
    time: inode("time"),
    pid_for_children: inode("pid_for_children"),
    time_for_children: inode("time_for_children"),
  };
}

/** "net:[4026531840]". Throws ProcFormatError. */
export function parseNamespaceLink(link: string): number {
  const inode = /^[a-z_]+:\[(\d+)\]$/.exec(link)?.[1];
  if (inode === undefined) throw new ProcFormatError("ns", link);
  return Number(inode);
}
