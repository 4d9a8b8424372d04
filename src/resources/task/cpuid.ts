// That the CPUID instruction faults in a thread: arch_prctl(2) ARCH_SET_CPUID. In a field of ours of core-TID.img.
import { ARCH_GET_CPUID, ARCH_SET_CPUID } from "../../kernel/abi/prctl.js";
import { remote } from "../../tracee/program.js";
import { asks } from "../../tracee/questions.js";
import type { TaskPart } from "../kind.js";

const isAllowed = asks(remote.arch_prctl(ARCH_GET_CPUID, 0n));

export const cpuid: TaskPart = {
  name: "faults of CPUID",
  of: "thread",
  stage: "after-memory",
  limits: ["a processor that cannot fault CPUID does not take a program for which it does"],
  asks: [isAllowed],

  collect({ answers }, core) {
    if (core.threadCore !== undefined && answers.of(isAllowed) === 0n) core.threadCore.cpuidFaults = true;
  },

  apply({ inside }, core) {
    if (core.threadCore?.cpuidFaults === true) inside.sys.arch_prctl(ARCH_SET_CPUID, 0n);
  },
};
