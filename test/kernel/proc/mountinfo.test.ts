import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { asPid } from "../../../src/kernel/brand.js";
import { parseMountinfo, readMountinfo } from "../../../src/kernel/proc/mountinfo.js";
import { ProcFormatError } from "../../../src/kernel/proc/read.js";
import { understandsOrRefuses } from "./throws-only.js";

const MOUNTINFO = `36 35 98:0 /mnt1 /mnt\\0402 rw,noatime shared:7 master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue
22 27 0:21 / /proc rw,relatime - proc proc rw
41 27 0:43 / /bind ro unbindable future:9 - fuse.x s\\011x\\134y 
`;

test("a mount is read with its tags and options", () => {
  const [mount] = parseMountinfo(MOUNTINFO);
  assert.deepEqual(mount, {
    mountId: 36,
    parentId: 35,
    major: 98,
    minor: 0,
    root: "/mnt1",
    mountPoint: "/mnt 2",
    options: ["rw", "noatime"],
    sharedGroup: 7,
    masterGroup: 1,
    propagateFrom: 2,
    unbindable: false,
    type: "ext3",
    source: "/dev/root",
    superOptions: ["rw", "errors=continue"],
  });
});

test("a private mount has no group, an unknown tag is ignored", () => {
  const [, proc, bind] = parseMountinfo(MOUNTINFO);
  assert.equal(proc?.sharedGroup, undefined);
  assert.deepEqual([bind?.unbindable, bind?.source, bind?.superOptions], [true, "s\tx\\y", []]);
});

test("a line without its separator is refused", () => {
  assert.throws(() => parseMountinfo("22 27 0:21 / /proc rw,relatime proc proc rw\n"), ProcFormatError);
});

test("any mount point comes back as it was", () => {
  const escaped = (text: string) =>
    text.replace(/[ \t\n\\#]/g, (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, "0")}`);
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (name) => {
      const [mount] = parseMountinfo(`1 2 0:3 / /${escaped(name)} rw - tmpfs none rw\n`);
      assert.equal(mount?.mountPoint, `/${name}`);
    }),
  );
});

test("any text gives mounts or is refused", () => {
  understandsOrRefuses(parseMountinfo, [MOUNTINFO]);
});

test("we see /proc mounted", () => {
  const mounts = readMountinfo(asPid(process.pid)) ?? [];
  assert.equal(mounts.find(({ mountPoint }) => mountPoint === "/proc")?.type, "proc");
});
