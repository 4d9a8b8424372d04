import { provesAfterTrip } from "../../../support/proofs.js";

provesAfterTrip("the console", {
  console: {
    proves: {
      device: "a descriptor of it is one again",
      flags: "with its flags",
      settings: "what is set on it is as it was",
      shared: "a duplicate shares them",
    },
  },
});
