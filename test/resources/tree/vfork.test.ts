import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("a process in the middle of vfork", {
  vfork: {
    view: () => undefined, // the child is another one before the dump
    proves: { child: "its child is waited for, and is what it executed" },
  },
});
