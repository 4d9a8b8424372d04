// The control groups of a task: proc_pid_cgroup(5), cgroups(7).
import type { Pid } from "../brand.js";
import { ProcFormatError, readProc, threadFile } from "./read.js";

export interface CgroupMembership {
  /** 0: the unified hierarchy of version 2. */
  readonly hierarchy: number;
  /** Controllers of a version 1 hierarchy, "name=systemd" among them; none for version 2. */
  readonly controllers: readonly string[];
  /** Relative to the root of our cgroup namespace: begins with "/", and with "/.." outside of it. */
  readonly path: string;
  /** The group was removed while the task was in it (a zombie). */
  readonly deleted: boolean;
}

/** One for each hierarchy; undefined: the process is gone. */
export function readCgroups(pid: Pid): CgroupMembership[] | undefined {
  const text = readProc(pid, "cgroup");
  return text === undefined ? undefined : parseCgroups(text);
}

/** Of one thread, which may be in another group than its process (threaded groups, version 1). */
export function readThreadCgroups(pid: Pid, tid: Pid): CgroupMembership[] | undefined {
  const text = readProc(pid, threadFile(tid, "cgroup"));
  return text === undefined ? undefined : parseCgroups(text);
}

const DELETED = " (deleted)";

/** The text of /proc/PID/cgroup. Throws ProcFormatError. */
export function parseCgroups(text: string): CgroupMembership[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => {
    // A path may hold colons; kernel/cgroup/cgroup.c refuses newlines in names.
    const [, hierarchy, controllers, path] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) throw new ProcFormatError("cgroup", line);
    const deleted = path.endsWith(DELETED);
    return {
      hierarchy: Number(hierarchy),
      controllers: controllers === "" ? [] : controllers.split(","),
      path: deleted ? path.slice(0, -DELETED.length) : path,
      deleted,
    };
  });
}
