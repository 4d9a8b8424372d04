import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("asynchronous I/O", {
  aio: {
    proves: {
      fresh: "a context that was never used has no events",
      works: "it takes requests and finishes them",
      unread: "events that were not read are, in their order",
      round: "so they are when the ring has gone round",
      full: "a full ring is full",
      room: "and has as much room as before when it was read",
    },
  },
  "aio-unfinished": { proves: { all: "requests that are under way when a program is stopped finish, each once" } },
});
