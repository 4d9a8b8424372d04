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
      processors: "the processors that each thread may run on",
      io: "the I/O priority of each thread",
      slack: "the timer slack of each thread",
      deadline: "the parameters of SCHED_DEADLINE",
      core: "what a core file of it would hold",
      group: "the nice value of its session",
      oom: "its oom score adjustment",
    },
  },
  "odd-process": {
    proves: {
      arguments: "arguments that were moved",
      environment: "an environment that was moved",
      vector: "an auxiliary vector of its own",
      bounds: "the bounds of code, data and stack",
      heap: "where the heap ends",
      login: "who logged in",
      personality: "that memory which can be read may be run, from then on and not before",
    },
  },
});
