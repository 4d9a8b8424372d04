// Threads and children of a process: proc_pid_task(5), proc_tid_children(5).
import { asPid, type Pid } from "../brand.js";
import { listProc, ProcFormatError, readProc, threadFile } from "./read.js";

/** The threads of a process, ascending; empty when it is gone. A running process may make more while we look. */
export function listThreads(pid: Pid): Pid[] {
  return (listProc(pid, "task") ?? []).map(asPid);
}

/** The children of all threads of a process, ascending, zombies included. Complete only while the process is stopped. */
export function listChildren(pid: Pid): Pid[] {
  const children = listThreads(pid).flatMap((tid) => childrenOf(pid, tid));
  return children.sort((a, b) => a - b);
}

/** The text of /proc/PID/task/TID/children. Throws ProcFormatError. */
export function parseChildren(text: string): Pid[] {
  const words = text.trim().split(" ");
  if (text.trim() === "") return [];
  if (!words.every((word) => /^\d+$/.test(word))) throw new ProcFormatError("task/TID/children", text);
  return words.map((word) => asPid(Number(word)));
}

function childrenOf(pid: Pid, tid: Pid): Pid[] {
  const text = readProc(pid, threadFile(tid, "children"));
  if (text !== undefined) return parseChildren(text);
  // Gone is fine. But a kernel without CONFIG_PROC_CHILDREN never has the file, and children must not be overlooked.
  if (readProc(pid, threadFile(tid, "stat")) === undefined) return [];
  throw new ProcFormatError("task/TID/children", "no such file: the kernel is built without CONFIG_PROC_CHILDREN");
}
