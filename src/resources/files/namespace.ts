// Namespaces held open by a descriptor: /proc/PID/ns/NAME, namespaces(7).
import { readlinkSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { NsFileEntrySchema } from "../../images/format/entries.js";
import { invalid } from "../../images/format/fault.js";
import { AT_FDCWD } from "../../kernel/brand.js";
import { sys } from "../../kernel/syscalls.js";
import type { FileKind } from "../kind.js";
import { namespaceIds } from "../tree/identities.js";
import { flagsForOpen } from "./common.js";
import { refuseFile } from "./refuse.js";

/** CLONE_NEW...: include/uapi/linux/sched.h. */
const flagOf: Readonly<Record<keyof typeof namespaceIds, number>> = {
  cgroup: 0x02000000,
  ipc: 0x08000000,
  mnt: 0x00020000,
  net: 0x40000000,
  pid: 0x20000000,
  time: 0x00000080,
  user: 0x10000000,
  uts: 0x04000000,
};
const names = Object.keys(flagOf) as (keyof typeof flagOf)[];

export const namespaceFile: FileKind<"nsf"> = {
  support: "full",
  type: "NS",
  field: "nsf",
  summary: "namespaces, namespaces(7)",
  signatures: [{ mode: "regular", link: /^(cgroup|ipc|mnt|net|pid|time|user|uts):\[/ }],
  limits: ["one that stasis is not in itself is refused"],

  collect(file, common) {
    const name = names.find((one) => readlinkSync(`/proc/self/ns/${one}`) === file.link);
    if (name === undefined)
      throw refuseFile(file.subject, "it is a namespace that stasis is not in", "run stasis in that namespace");
    return create(NsFileEntrySchema, {
      id: common.id,
      nsId: namespaceIds[name],
      nsCflag: flagOf[name],
      flags: common.flags,
    });
  },

  validate({ nsCflag }) {
    if (!Object.values(flagOf).includes(nsCflag))
      throw invalid({ file: "files.img" }, `there is no kind of namespace 0x${nsCflag.toString(16)}`);
  },

  open({ nsCflag, flags }) {
    const name = names.find((one) => flagOf[one] === nsCflag);
    return sys.openat(AT_FDCWD, `/proc/self/ns/${name}`, flagsForOpen(flags), 0);
  },
};
