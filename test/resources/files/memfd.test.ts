import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("files in memory", {
  memfd: {
    proves: {
      contents: "its contents, up to an end within a page",
      position: "descriptors of one description share a position",
      another: "a description of its own has its own position and rights",
      append: "one that appends does",
      mode: "its owner and mode",
      empty: "an empty one",
      unsealable: "one that was made without sealing cannot be sealed",
      sparse: "holes take no memory",
      far: "what lies behind holes",
      seals: "seals of its size hold, and allow what they allow",
      constant: "one sealed against writing cannot be written",
      future: "one sealed against future writing is written through the mapping that was there before",
      never: "one that is never executed cannot be made executable",
      program: "a program in one can be executed",
      shared: "a shared mapping of it is the file",
      private: "a private mapping of it has its changed pages, the others are the file's",
      processes: "a process that has but a mapping of it shares it",
      anonymous: "shared anonymous memory that is open as a file is one with its mappings",
      own: "a private mapping of that has its own changes",
      size: "which is as large as it was, however little of it is mapped",
      sent: "one on its way through a socket",
    },
  },
});
