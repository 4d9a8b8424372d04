// What of a task's memory is not carried over, in the user's words; shown in docs/support.md.

export const memoryLimits: readonly { readonly what: string; readonly limits: readonly string[] }[] = [
  {
    what: "asynchronous I/O, io_setup(2)",
    limits: [
      "requests under way are waited for until none has finished for 50 ms; the kernel does not tell of others, such as IOCB_CMD_POLL, which are lost",
      "on a machine with more processors the kernel makes larger rings, which is refused",
    ],
  },
  { what: "memory that may vanish at any time, mmap(2) MAP_DROPPABLE", limits: ["it comes back empty"] },
  {
    what: "System V shared memory, shmget(2)",
    limits: [
      "segments that nobody of the tree has attached are not in the images: they stay in the host as they are",
      "when a segment was last attached, and by whom it was made and last used (shm_cpid, shm_lpid), is new",
    ],
  },
  {
    what: "the vdso of another kernel, vdso(7)",
    limits: [
      "its functions lead to those of the kernel at hand; a thread that was inside of it is refused, one that a signal handler interrupted there may fail",
    ],
  },
];
