import type { Pid } from "../../../src/kernel/brand.js";
import { kernelView } from "../../support/kernel-view.js";
import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("files of a file system", {
  "regular-files": {
    view: ({ pid }) => namedFiles(pid),
    proves: {
      position: "a file has its position",
      end: "a position behind the end of the file",
      append: "a file opened for appending is appended to",
      flags: "the flags with which a file was opened",
      rights: "a file can be read or written as it was opened, no more",
      high: "a duplicate has its number, its own close-on-exec flag, and shares the position",
      another: "a file opened twice has two positions",
      directory: "a directory can be listed and opened from",
      path: "what was opened as a path only is that",
      held: "also a FIFO, the file of a socket, and a device",
      link: "a symbolic link itself, opened as a path",
      devices: "devices without state",
      proc: "a file of the process itself in /proc",
      ghost: "a large deleted file has its contents and position",
      holes: "and its holes",
      attributes: "and its owner, mode and time",
      both: "two openings of it are of one file, which has no name",
      small: "small and empty deleted files",
      taken: "a deleted file whose name another file has",
      temporary: "a file that never had a name",
      lost: "a deleted directory, and a deleted file that was in it",
      leftovers: "nothing of the restore stays in the directory",
    },
  },
});

/** A deleted file comes back under a spare name where its own is taken, and without O_TMPFILE. */
function namedFiles(pid: Pid) {
  const view = kernelView(pid);
  const isDeleted = (file: readonly unknown[]) => String(file[1]).endsWith(" (deleted)");
  return { ...view, files: view.files.map((file) => (isDeleted(file) ? "deleted" : file)) };
}
