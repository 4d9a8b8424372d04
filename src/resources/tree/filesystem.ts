// What a process has of the file system: current directory, root, umask. fs-PID.img; proc_pid_cwd(5), chroot(2), umask(2).

import { create } from "@bufbuild/protobuf";
import { type FsEntry, FsEntrySchema } from "../../images/format/entries.js";
import { O, O_RDONLY } from "../../kernel/abi/fcntl.js";
import { AT_FDCWD, type TargetFd } from "../../kernel/brand.js";
import { own } from "../../kernel/own-fd.js";
import { readProcLink } from "../../kernel/proc/read.js";
import { statOf } from "../../kernel/stat.js";
import { sys } from "../../kernel/syscalls.js";
import type { Inside } from "../../tracee/inside.js";
import { remote } from "../../tracee/program.js";
import type { DumpContext, DumpedProcess } from "../kind.js";

export function collectFilesystem(process: DumpedProcess, context: DumpContext): FsEntry {
  return create(FsEntrySchema, {
    cwdId: registerDirectory(process, "cwd", context),
    rootId: registerDirectory(process, "root", context),
    umask: process.status.umask,
  });
}

function registerDirectory(process: DumpedProcess, name: "cwd" | "root", context: DumpContext): number {
  const { pid, living, comm } = process;
  using duplicate = own(sys.openat(AT_FDCWD, `/proc/${living}/${name}`, O.O_PATH | O.O_CLOEXEC, 0));
  return context.files.register(
    {
      process,
      duplicate: duplicate.fd,
      link: readProcLink(living, name) ?? "",
      subject: { kind: "process", pid, comm },
      stat: statOf(duplicate.fd),
    },
    O_RDONLY,
  );
}

/** `root` and `cwd` are descriptors in the target. The root goes first: it is looked up from where we are. */
export function applyFilesystem(
  inside: Inside,
  entry: FsEntry,
  directories: { root: TargetFd | undefined; cwd: TargetFd },
): void {
  if (directories.root !== undefined) {
    inside.later(remote.fchdir(directories.root));
    inside.laterWith(Buffer.from(".\0"), (here) => remote.chroot(here));
  }
  inside.later(remote.fchdir(directories.cwd));
  inside.later(remote.umask(entry.umask));
}
