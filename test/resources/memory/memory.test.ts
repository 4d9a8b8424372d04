import { provesAfterTrip } from "../../support/proofs.js";

const privateMemory = {
  data: "data",
  constant: "data that can only be read",
  forbidden: "data that nobody may touch, there when it is allowed again",
  writable: "data that can only be written",
  code: "code that was written by the program runs",
  locked: "locked memory is locked",
  advised: "advised memory has its contents",
  dontfork: "what a fork leaves out is left out",
  wipeonfork: "what a fork wipes is wiped in the child",
  guards: "guard pages fault, and those beside them do not",
  "guards-apart": "so have they where a fork does not inherit the memory, and what they do not guard is there",
  unguarded: "guard pages can be taken away",
  growing: "a region that grows downwards goes on growing",
  stack: "the stack goes on growing",
  holes: "pages that were never touched, or only read, take no memory",
  sparse: "a large region with few pages has these",
  zero: "a private mapping of /dev/zero",
  heap: "the heap has its contents and its end",
  brk: "the heap goes on growing",
  vdso: "the clock is read without a system call",
};
const sharedMemory = {
  words: "its contents",
  twice: "a second mapping of it is the same memory",
  holes: "pages that were never touched take no memory",
  sparse: "a large object with few pages has these",
  children: "children that map a part of it share it with their parent",
  dirty: "changed pages of a private file mapping",
  unwritten: "which are not in the file",
  clean: "unchanged pages of it are those of the file",
  written: "a shared file mapping writes to the file",
  beyond: "pages behind the end of a file fault",
  deleted: "private and shared mappings of a file that was deleted are of one file",
};

provesAfterTrip("memory of a program that was killed by its dump", {
  "private-memory": { proves: privateMemory },
  "shared-memory": { proves: sharedMemory },
});
provesAfterTrip("memory of a program that ran on after its dump", {
  "private-memory": { proves: privateMemory, leaveRunning: true },
  "shared-memory": { proves: sharedMemory, leaveRunning: true },
});
provesAfterTrip("hundreds of mappings side by side", {
  neighbours: { proves: { contents: "each has its contents" } },
});
provesAfterTrip("memory of which much is written at a time", {
  large: {
    proves: {
      whole: "a large region has its contents",
      scattered: "single pages have theirs, and those between them none",
      mappings: "hundreds of mappings have theirs",
    },
  },
});
