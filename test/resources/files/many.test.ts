import { provesAfterTrip } from "../../support/proofs.js";

const proves = {
  files: "files with different flags and positions, at numbers in a row and far away",
  pairs: "unix pairs with what waits in them, and who made them",
  others: "bound and listening internet sockets with their options",
  limit: "the limit of descriptors",
  absent: "a number that has no descriptor",
  tidy: "the program can start another one",
};

// Which number is the first to be free decides how a task is given the others.
for (const absent of ["", "0", "2", "500"])
  provesAfterTrip(`many descriptors${absent === "" ? "" : `, and none with the number ${absent}`}`, {
    many: { arguments: absent === "" ? [] : [absent], proves },
  });
