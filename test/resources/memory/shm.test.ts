import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("System V shared memory", {
  shm: {
    proves: {
      id: "a segment has its key and id",
      size: "its size, which need not be whole pages",
      rights: "its owner, creator and permissions",
      contents: "its contents, those behind its end in the last page too",
      constant: "a read-only attachment cannot be made writable",
      shared: "it is shared with a child",
      attachments: "it has as many attachments as before",
      detach: "one of which can be detached",
      removed: "one that was removed while attached goes with its last attachment",
      parts: "an attachment with parts unmapped, moved and protected has what is left",
      moved: "which is detached from where it would begin",
      sparse: "a large one with few pages",
      kept: "one that nobody had attached stays",
    },
  },
});
