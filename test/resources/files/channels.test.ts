import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("descriptors through which processes hear of things", {
  channels: {
    proves: {
      pipe: "a pipe has what was in it",
      capacity: "a full pipe has its capacity, and is full",
      large: "a pipe with more than the usual 64 KiB has all of it",
      broken: "a pipe without a reader is broken",
      end: "a pipe without a writer ends after what was in it",
      packets: "a pipe in packet mode keeps packets apart",
      fifo: "a named pipe has what was in it, and its ends are joined",
      same: "it is the one that its name leads to",
      lost: "a named pipe without a name",
      eventfd: "a counter",
      most: "a counter that is full",
      armed: "a timer has the time that was left and its interval",
      absolute: "a timer of the real-time clock that was set to a date",
      disarmed: "a timer that was not armed is not",
      expired: "a timer that expired once, and was not read",
      ticking: "a timer goes on ticking",
      signalfd: "a signal that was pending is read by its descriptor",
      masks: "signals of the mask are read, no others",
      used: "a watch for one shot that was used up stays so",
      rearmed: "and can be armed again",
      watches: "a set of watches tells of what is ready, with the data",
      nested: "a set in a set",
      more: "watches can be added and taken away",
      owner: "who is told of input, and by which signal",
      told: "that one is told of it",
    },
  },
});
