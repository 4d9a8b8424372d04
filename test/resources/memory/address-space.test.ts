import { inspect } from "node:util";
import { treeView } from "../../support/kernel-view.js";
import type { Program } from "../../support/program.js";
import { provesAfterTrip } from "../../support/proofs.js";

/** The replaced file comes back under a spare name, which it has lost again. */
const view = ({ pid }: Program) =>
  inspect(treeView(pid), { depth: null, maxArrayLength: null }).replaceAll(".cr.1.ghost", "");

const addressSpace = {
  lazily: "memory that is locked as its pages come has no more of them",
  merged: "memory whose equal pages may be merged",
  top: "the highest page of the address space",
  bottom: "the lowest page that may be mapped",
  name: "a command line that was moved elsewhere",
  replaced: "a mapping of a file in whose place there is another is of the old one",
  new: "which leaves the new one alone",
  zero: "shared memory that was mapped from /dev/zero",
  thp: "huge pages are off, and for which memory",
  future: "what will be mapped is locked",
};

provesAfterTrip("an address space", {
  "address-space": { proves: addressSpace, view },
  "without-vdso": { proves: { gone: "a program without a vdso has none" } },
});
provesAfterTrip("an address space where what will be mapped is locked as its pages come", {
  "address-space": { proves: addressSpace, view, arguments: ["later"] },
});
