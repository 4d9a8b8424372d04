import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("what the members of a family share", {
  "shared-tables": {
    proves: {
      description: "parent and child share positions and watches, each by its own numbers",
      table: "tasks of one descriptor table (CLONE_FILES) see what the other opens and closes",
      directory: "tasks of one current directory (CLONE_FS) see where the other goes",
      umask: "and its umask",
      root: "a child in a root of its own is there, with its directory and umask",
    },
  },
});

provesAfterTrip("descriptors with high numbers", {
  "high-descriptors": {
    proves: {
      highest: "the highest that the limit allowed, above the one that it is now",
      shared: "they are one open file",
      flags: "each with its own flags",
      full: "no other fits below the limit",
    },
  },
});
