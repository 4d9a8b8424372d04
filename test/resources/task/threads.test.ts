import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("what the kernel keeps of each thread", {
  "thread-state": {
    proves: {
      handler: "a thread dumped inside a signal handler on its alternate stack returns from it",
      names: "threads keep their names, odd characters included",
      stacks: "each thread has its alternate signal stack with its flags",
      onstack: "handlers run on these stacks",
      robust: "the robust mutex of a thread that ends is handed on",
      join: "the end of a thread wakes who waits for it",
      rseq: "the kernel keeps the processor number in the area of restartable sequences current",
      sequence: "a thread dumped inside a restartable sequence goes on at its abort handler",
      membarrier: "registered memory barriers can be used",
    },
  },
});
