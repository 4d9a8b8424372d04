import { readStat } from "../../../src/kernel/proc/stat.js";
import { treeOf, until } from "../../scenarios/round-trip.js";
import { treeView } from "../../support/kernel-view.js";
import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("a family in every state of life", {
  "family-state": {
    view: async ({ pid }) => {
      const stopped = () => treeOf(pid).filter((one) => readStat(one)?.state === "T");
      await until("the stop signals were taken", () => stopped().length === 2);
      return treeView(pid);
    },
    proves: {
      stopped: "stopped children are stopped",
      report: "their parent, which was not told yet, is told so",
      signal: "and by which signal",
      continued: "they go on when they are told to",
      exit: "a child that ended has its exit code",
      killed: "a child that was killed has its signal",
      crashed: "a child that crashed has its signal",
      group: "a process is in a group whose leader is gone",
      session: "a process is in a session whose leader is gone",
      second: "and so is another one",
      left: "a process that was left to the subreaper is in a session that lives deeper in the tree",
      leaders: "these leaders are not there",
      adopted: "a grandchild whose parent ended is a child of the subreaper",
      nobody: "nobody else is there",
    },
  },
});
