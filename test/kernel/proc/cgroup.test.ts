import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../../src/kernel/brand.js";
import { parseCgroups, readCgroups, readThreadCgroups } from "../../../src/kernel/proc/cgroup.js";
import { ProcFormatError } from "../../../src/kernel/proc/read.js";
import { understandsOrRefuses } from "./throws-only.js";

const CGROUPS = "9:name=systemd:/a:b\n4:cpu,cpuacct:/x\n0::/user.slice (deleted)\n";

test("both versions of control groups are read", () => {
  assert.deepEqual(parseCgroups(CGROUPS), [
    { hierarchy: 9, controllers: ["name=systemd"], path: "/a:b", deleted: false },
    { hierarchy: 4, controllers: ["cpu", "cpuacct"], path: "/x", deleted: false },
    { hierarchy: 0, controllers: [], path: "/user.slice", deleted: true },
  ]);
});

test("a line without a path is refused", () => {
  assert.throws(() => parseCgroups("0:cpu\n"), ProcFormatError);
});

test("any text gives groups or is refused", () => {
  understandsOrRefuses(parseCgroups, [CGROUPS]);
});

test("our main thread is where our process is", () => {
  const self = asPid(process.pid);
  assert.deepEqual(readThreadCgroups(self, self), readCgroups(self));
});
