import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("credentials that differ from thread to thread", {
  "credential-state": {
    proves: {
      uids: "real, effective and saved user ids, above 2^31 too",
      gids: "real, effective and saved group ids",
      filesystem: "the user and group id for the file system",
      groups: "supplementary groups",
      sets: "the permitted, effective and inheritable capabilities",
      bounding: "the bounding set",
      ambient: "the ambient set",
      securebits: "secure bits, the locked and the one that keeps capabilities too",
      privileges: "no new privileges",
    },
  },
});
