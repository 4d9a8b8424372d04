// Inodes named without a path: open_by_handle_at(2), include/linux/exportfs.h

import { buffer, fd, newFd, syscall } from "../declare/syscall.js";
import { O } from "./fcntl.js";

/** Bytes of struct file_handle before the handle itself: how many bytes it has, of which type it is. */
export const FILE_HANDLE_HEAD_BYTES = 8;

export const fileHandleCalls = {
  open_by_handle_at: syscall(
    "open_by_handle_at",
    304,
    [
      ["mount_fd", fd],
      ["handle", buffer],
      ["flags", O],
    ],
    newFd,
  ),
};
