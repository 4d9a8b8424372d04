// Control groups: cgroups(7). A restored task is born into the group of stasis; a tree that lives elsewhere is refused until groups can be
// carried over.
import { asPid, type Pid } from "../../kernel/brand.js";
import { type CgroupMembership, readCgroups, readThreadCgroups } from "../../kernel/proc/cgroup.js";
import { StasisError } from "../../report/error.js";

interface Members {
  readonly pid: Pid;
  readonly comm: string;
  readonly threads: readonly { readonly tid: Pid }[];
}

export class Cgroups {
  readonly #own: readonly CgroupMembership[];

  constructor(engine: Pid) {
    this.#own = readCgroups(engine) ?? [];
  }

  /** Throws StasisError when a thread of the process is in another group than stasis itself. */
  check({ pid, comm, threads }: Members): void {
    for (const { tid } of threads) {
      const other = (readThreadCgroups(pid, asPid(tid)) ?? []).find(
        (theirs) => !this.#own.some((ours) => isSame(ours, theirs)),
      );
      if (other === undefined) continue;
      throw new StasisError({
        code: "TREE_UNSUPPORTED",
        doing: "dump",
        subject: { kind: "process", pid, comm },
        reason: `its thread ${tid} is in control group ${other.path} (${other.controllers.join(",") || "unified"}), and stasis is not; groups are not supported yet`,
        remedy: "run stasis in that group, or pass --manage-cgroups=ignore",
      });
    }
  }
}

function isSame(ours: CgroupMembership, theirs: CgroupMembership): boolean {
  return ours.hierarchy === theirs.hierarchy && ours.path === theirs.path;
}
