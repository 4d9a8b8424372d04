import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("what a process was given", {
  "process-state": {
    proves: {
      limits: "resource limits, soft and hard, without CAP_SYS_RESOURCE",
      policy: "the scheduling policy of each thread, with its reset on fork",
      nice: "the nice value of each thread",
      death: "the signal that a process gets when its parent ends, and it comes",
      subreaper: "that orphans below become its children",
      dumpable: "that nobody may look into it",
      thp: "that it gets no huge pages",
      personality: "its personality",
      oom: "its oom score adjustment",
    },
  },
});
