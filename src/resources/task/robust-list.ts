// Where a thread keeps its list of robust futexes: get_robust_list(2). 32-bit code has one of its own, which only its calls reach.
import { isFailure } from "../../kernel/declare/syscall.js";
import { SyscallError } from "../../kernel/errno.js";
import { sys } from "../../kernel/syscalls.js";
import { compatNumber, runsCompatCode } from "../../tracee/compat.js";
import type { Inside } from "../../tracee/inside.js";
import { lowRoom } from "../../tracee/low-room.js";
import { remote } from "../../tracee/program.js";
import type { Tracee } from "../../tracee/tracee.js";
import type { TaskPart } from "../kind.js";
import { isCompatCore } from "./registers.js";

export const robustList: TaskPart = {
  name: "robust futex list",
  of: "thread",
  stage: "after-memory",

  collect({ tracee, registers, inside }, core) {
    if (core.threadCore === undefined) return;
    const { head, lengthBytes } = runsCompatCode(registers) ? compatListOf(inside) : listOf(tracee);
    core.threadCore.futexRla = head;
    core.threadCore.futexRlaLen = lengthBytes;
  },

  apply({ inside }, core) {
    const { futexRla = 0n, futexRlaLen = 0 } = core.threadCore ?? {};
    if (futexRla === 0n) return;
    const words = [futexRla, BigInt(futexRlaLen)] as const;
    if (!isCompatCore(core)) inside.later(remote.set_robust_list(...words));
    else mustWork("set_robust_list", inside.compatCall(compatNumber.set_robust_list, words));
  },
};

function listOf({ tid }: Tracee) {
  const head = new Uint8Array(8);
  const lengthBytes = new Uint8Array(8);
  sys.get_robust_list(tid, head, lengthBytes);
  return {
    head: new DataView(head.buffer).getBigUint64(0, true),
    lengthBytes: new DataView(lengthBytes.buffer).getUint32(0, true),
  };
}

function compatListOf(inside: Inside) {
  using room = lowRoom(inside, new Uint8Array(8));
  mustWork("get_robust_list", inside.compatCall(compatNumber.get_robust_list, [0n, room.at, room.at + 4n]));
  const [head = 0, lengthBytes = 0] = new Uint32Array(inside.memory.read(room.at, 8).buffer);
  return { head: BigInt(head), lengthBytes };
}

function mustWork(call: string, result: bigint): void {
  if (isFailure(result)) throw new SyscallError(call, -Number(result), ["of 32-bit code"]);
}
