import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("signals", {
  "signal-state": {
    proves: {
      actions: "every signal has its handler, flags and mask, and is ignored or not as before",
      masks: "each thread blocks what it blocked",
      thread: "signals queued to one thread arrive there, in their order and with their payload",
      process: "signals queued to the process arrive in their order, with payload and sender",
      pointer: "a payload is a whole pointer",
      merged: "a signal below the real-time ones that was sent twice is pending once",
      traps: "a SIGTRAP that is pending for the process, and one for a thread, are not taken for those of a tracer",
      child: "the SIGCHLD of a child that ended tells of its exit code, and comes once",
      nothing: "no other signal is pending",
    },
  },
});
