import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("process descriptors", {
  "pidfd-state": {
    proves: {
      self: "one of the process itself",
      child: "a child is signalled and awaited by it",
      zombie: "a child that has ended and was not waited for is waited for by it",
      thread: "one of a thread tells when that ends",
      dead: "one of a process that is gone is readable, and cannot be signalled",
      code: "it tells how that process ended",
      same: "two of one process are of the same, two of different ones are not",
      nonblocking: "flags with which it was opened",
    },
  },
});
