import { readTimers } from "../../../src/kernel/proc/timers.js";
import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("timers", {
  "timer-state": {
    view: ({ pid }) => readTimers(pid), // signals come and go
    proves: {
      real: "ITIMER_REAL has its interval and the time that was left",
      virtual: "ITIMER_VIRTUAL has the time that was left, and no interval",
      prof: "ITIMER_PROF has its interval and the time that was left",
      ids: "POSIX timers have their ids, and an id that was given back stays free",
      next: "a new POSIX timer gets an id of its own",
      disarmed: "a POSIX timer that was not armed is not",
      armed: "a POSIX timer of CLOCK_REALTIME has the time that was left",
      cpu: "a POSIX timer of the processor time has the time that was left and its interval",
      boot: "a POSIX timer of CLOCK_BOOTTIME has the time that was left",
      soon: "a timer that expires after the restore says so with its id and its value",
      overrun: "the signal of a timer that expired before the dump is pending",
      onward: "that timer goes on and counts overruns",
      thread: "a timer that signals one thread goes on doing so",
    },
  },
});
