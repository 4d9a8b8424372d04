import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("sets of watches", {
  "epoll-state": {
    // The number under which a watch was added may be gone.
    view: () => undefined,
    proves: {
      moved: "a watch on a descriptor that was duplicated and closed",
      replaced: "a watch on a number that is another file now",
      thrice: "three watches of one number, of which two files have other numbers now",
      twice: "a file that is watched under two numbers, one of them closed",
      nested: "a set in a set, by a duplicate that was closed",
      shared: "a child that inherited the set and has other files under the numbers",
      elsewhere: "a watch on a file that only a child has open",
      flight: "a set that is on its way in a socket",
      both: "a set and what it watches, both on their way",
    },
  },
});
