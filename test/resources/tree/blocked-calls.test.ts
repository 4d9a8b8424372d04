import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("threads that sleep in a system call", {
  "blocked-calls": {
    view: () => undefined, // some of the calls may end before we look
    proves: {
      read_pipe: "read(2) of a pipe gets what is written",
      write_pipe: "write(2) to a full pipe goes on when there is room",
      read_eventfd: "read(2) of an eventfd",
      read_timerfd: "read(2) of a timerfd",
      sleep_relative: "nanosleep(2) ends",
      sleep_absolute: "clock_nanosleep(2) ends at its date",
      poll_input: "poll(2) without a time-out",
      poll_timeout: "poll(2) times out, not too early",
      ppoll_timeout: "ppoll(2) times out, not too early",
      select_timeout: "select(2) times out, not too early",
      select_input: "select(2) without a time-out",
      wait_epoll: "epoll_wait(2) without a time-out",
      epoll_timeout: "epoll_wait(2) times out, not too early",
      wait_futex: "futex(2) is woken",
      futex_timeout: "futex(2) times out, not too early",
      futex_bitset: "futex(2) with a date times out",
      wait_child: "wait4(2) gets how a child ended",
      wait_id: "waitid(2) hears that a child was stopped",
      suspend: "sigsuspend(2) ends with a signal, and the handler ran",
      wait_signal: "sigwaitinfo(2) gets a queued signal",
      signal_timeout: "sigtimedwait(2) times out, not too early",
    },
  },
});
