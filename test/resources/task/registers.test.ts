import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("registers of threads that spin in user mode, different in each", {
  registers: {
    proves: {
      general: "the general registers are back",
      flags: "the direction flag is back",
      x87: "control word, status and stack of the x87 are back",
      mxcsr: "the rounding mode of SSE is back",
      sse: "the xmm registers are back",
      avx: "the upper halves of the ymm registers are back",
      avx512: "all 32 zmm registers are back",
      mask: "the mask registers of AVX-512 are back",
      fs: "thread-local storage, fs, is back",
      gs: "the gs base is back",
      areas: "an entry of set_thread_area(2) is back",
    },
  },
});
