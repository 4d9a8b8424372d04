// Whether a process may use the tiles of AMX, whose registers the kernel gives only to who has asked: arch_prctl(2) ARCH_REQ_XCOMP_PERM,
// Documentation/arch/x86/xstate.rst. In a field of ours of core-PID.img.
import { ARCH_GET_XCOMP_PERM, ARCH_REQ_XCOMP_PERM } from "../../kernel/abi/prctl.js";
import { hasFeature, XFEATURE_XTILE_DATA } from "../../kernel/abi/xstate.js";
import { struct, u64 } from "../../kernel/declare/struct.js";
import { unless } from "../../kernel/errno.js";
import { StasisError } from "../../report/error.js";
import { remote } from "../../tracee/program.js";
import { asksFor } from "../../tracee/questions.js";
import type { TaskPart } from "../kind.js";

const mask = struct("features", 8, { value: [0, u64] });
const permitted = asksFor(mask, (at) => remote.arch_prctl(ARCH_GET_XCOMP_PERM, at));

export const xstatePermission: TaskPart = {
  name: "permission to use the tiles of AMX",
  of: "process",
  stage: "after-memory",
  limits: ["a thread whose tiles are in use is refused"],
  asks: [permitted],

  collect({ answers }, core) {
    // EINVAL: a kernel before 5.16.
    const features = unless("EINVAL", () => answers.of(permitted).value) ?? 0n;
    if (core.tc !== undefined && hasFeature(features, XFEATURE_XTILE_DATA)) core.tc.xstatePermission = features;
  },

  apply({ inside, process: { pid, comm } }, core) {
    if (!hasFeature(core.tc?.xstatePermission ?? 0n, XFEATURE_XTILE_DATA)) return;
    const asked = unless(["EINVAL", "EOPNOTSUPP"], () =>
      inside.sys.arch_prctl(ARCH_REQ_XCOMP_PERM, BigInt(XFEATURE_XTILE_DATA)),
    );
    if (asked !== undefined) return;
    throw new StasisError({
      code: "HOST_UNSUPPORTED",
      doing: "restore",
      subject: { kind: "process", pid, comm },
      reason: "it may use the tiles of AMX, which this processor or its kernel lacks",
      remedy: "restore it on a machine whose processor has them",
    });
  },
};
