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
  "timer-clocks": {
    view: ({ pid }) => readTimers(pid),
    proves: {
      owner: "a timer of the processor time of the thread that made it",
      realtime: "CLOCK_REALTIME, by signal, to a thread, and silent, each with the time left, its interval and its id",
      monotonic: "CLOCK_MONOTONIC",
      boottime: "CLOCK_BOOTTIME",
      tai: "CLOCK_TAI",
      realtime_alarm: "CLOCK_REALTIME_ALARM, where there is such a clock",
      boottime_alarm: "CLOCK_BOOTTIME_ALARM, where there is such a clock",
      process: "CLOCK_PROCESS_CPUTIME_ID",
      thread: "CLOCK_THREAD_CPUTIME_ID",
      named: "the processor time of a thread by its number",
    },
  },
});
