import { listFds, readFdLink } from "../../../src/kernel/proc/fdinfo.js";
import { readThreadStat } from "../../../src/kernel/proc/stat.js";
import { readThreadStatus } from "../../../src/kernel/proc/status.js";
import { listThreads } from "../../../src/kernel/proc/tasks.js";
import type { Program } from "../../support/program.js";
import { provesAfterTrip } from "../../support/proofs.js";

/** What the kernel shows of a process by its threads: the first shows little. */
function view({ pid }: Program) {
  return listThreads(pid).map((tid) => {
    const stat = readThreadStat(pid, tid);
    const status = readThreadStatus(pid, tid);
    return {
      tid,
      comm: stat?.comm,
      hasEnded: stat?.state === "Z",
      exitCode: stat?.exitCode,
      uids: status?.uids,
      capEff: status?.capEff,
      descriptors: listFds(tid).filter((fd) => readFdLink(tid, fd) !== undefined),
    };
  });
}

provesAfterTrip("a process whose first thread has ended", {
  leaderless: {
    view,
    proves: {
      first: "the first thread has ended and is there as a zombie",
      threads: "the other threads go on, each with its own user",
      file: "open files",
      timer: "timers",
      pending: "pending signals",
      handler: "handlers of signals",
      child: "a child, whose death signal was not sent",
    },
  },
});
