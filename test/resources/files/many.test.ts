import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("many descriptors", {
  many: {
    proves: {
      files: "files with different flags and positions, at numbers in a row and far away",
      pairs: "unix pairs with what waits in them, and who made them",
      others: "bound and listening internet sockets with their options",
      limit: "the limit of descriptors",
      tidy: "the program can start another one",
    },
  },
});
