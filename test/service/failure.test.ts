import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { asPid } from "../../src/kernel/brand.js";
import { errno, SyscallError } from "../../src/kernel/errno.js";
import { explain } from "../../src/service/failure.js";

const tree = { kind: "host", what: "the process tree" } as const;

test("a call that the kernel refuses is a sentence with the process, the call, and what helps", () => {
  const error = new SyscallError("chroot", errno.EPERM, ['"."'], asPid(4711));
  assert.equal(
    explain(error, "restore", tree).message,
    'Cannot restore pid 4711: the kernel refuses chroot(".") with EPERM; run stasis as root; stasis check says which capabilities are missing',
  );
});

test("of a call of our own the subject is what is worked on; an errno that nobody has thought of leads to the log", () => {
  assert.equal(
    explain(new SyscallError("mount", errno.EIO, []), "dump", tree).message,
    "Cannot dump the process tree: the kernel refuses mount() with EIO; look into the log at level 4 for what came before",
  );
});

test("so is one that Node has made for us", () => {
  const path = "/proc/self/oom_score_adj";
  const thrown = (() => {
    try {
      return writeFileSync(path, "5000");
    } catch (error) {
      return error;
    }
  })();
  assert.equal(
    explain(thrown, "restore", tree).message,
    "Cannot restore the process tree: the kernel refuses write with EINVAL; look into the log at level 4 for what came before",
  );
});

test("anything else is a bug, and asks for a report", () => {
  const { message, code } = explain(new TypeError("x is undefined"), "dump", tree);
  assert.equal(code, "BUG");
  assert.equal(
    message,
    "Cannot dump the process tree: stasis has a bug: x is undefined; please report it with the log at level 4",
  );
});
