// Imported by tests of terminals: /dev/pts becomes one of this process and of what it starts. A pty gets the lowest number that is free
// (devpts_new_index in fs/devpts/inode.c), so in the machine's own another program takes that of a tree that is only in images.
import { execFileSync } from "node:child_process";
import { call } from "../../src/kernel/call.js";
import { isFailure } from "../../src/kernel/declare/syscall.js";
import { SyscallError } from "../../src/kernel/errno.js";

const SYS_unshare = 272;
const CLONE_NEWNS = 0x0002_0000;

const result = call(SYS_unshare, [CLONE_NEWNS]);
if (isFailure(result)) throw new SyscallError("unshare", -Number(result), ["CLONE_NEWNS"]);
execFileSync("/bin/mount", ["--make-rprivate", "/"]);
execFileSync("/bin/mount", ["-t", "devpts", "-o", "newinstance,gid=5,mode=620,ptmxmode=666", "devpts", "/dev/pts"]);
