// File systems that are mounted by descriptor: fsopen(2), include/uapi/linux/mount.h
import { fd, int, newFd, nothing, path, syscall } from "../declare/syscall.js";

export const FSOPEN_CLOEXEC = 1;
export const FSMOUNT_CLOEXEC = 1;
export const FSCONFIG_CMD_CREATE = 6;

export const mountCalls = {
  fsopen: syscall(
    "fsopen",
    430,
    [
      ["name", path],
      ["flags", int],
    ],
    newFd,
  ),
  /** FSCONFIG_CMD_CREATE has no key, value and aux: all are 0. */
  fsconfig: syscall(
    "fsconfig",
    431,
    [
      ["fs", fd],
      ["command", int],
    ],
    nothing,
  ),
  fsmount: syscall(
    "fsmount",
    432,
    [
      ["fs", fd],
      ["flags", int],
      ["attributes", int],
    ],
    newFd,
  ),
} as const;
