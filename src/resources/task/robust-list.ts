// Where a thread keeps its list of robust futexes: get_robust_list(2).
import { sys } from "../../kernel/syscalls.js";
import type { TaskPart } from "../kind.js";

export const robustList: TaskPart = {
  name: "robust futex list",
  of: "thread",
  stage: "after-memory",

  collect({ tracee }, core) {
    if (core.threadCore === undefined) return;
    const head = new Uint8Array(8);
    const lengthBytes = new Uint8Array(8);
    sys.get_robust_list(tracee.tid, head, lengthBytes);
    core.threadCore.futexRla = new DataView(head.buffer).getBigUint64(0, true);
    core.threadCore.futexRlaLen = new DataView(lengthBytes.buffer).getUint32(0, true);
  },

  apply({ inside }, core) {
    const { futexRla = 0n, futexRlaLen = 0 } = core.threadCore ?? {};
    if (futexRla !== 0n) inside.sys.set_robust_list(futexRla, BigInt(futexRlaLen));
  },
};
