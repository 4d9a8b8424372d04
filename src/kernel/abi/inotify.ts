// inotify(7): include/uapi/linux/inotify.h
import { flags } from "../declare/flags.js";
import { count, fd, int, newFd, nothing, path, syscall } from "../declare/syscall.js";

export const IN = flags({
  IN_CLOSE_WRITE: 0x8,
  IN_CLOSE_NOWRITE: 0x10,
  IN_OPEN: 0x20,
  IN_EXCL_UNLINK: 0x04000000,
  IN_ONESHOT: 0x80000000,
});
/** What a watch can wait for. */
export const IN_ALL_EVENTS = 0xfff;
/** The bytes that can be read: include/uapi/asm-generic/ioctls.h. */
export const FIONREAD = 0x541b;
/** _IOW('I', 0, __s32): the number that the next watch gets; needs CONFIG_CHECKPOINT_RESTORE. */
export const INOTIFY_IOC_SETNEXTWD = 0x40044900;
/** struct inotify_event without its name. */
export const INOTIFY_EVENT_BYTES = 16;

export const inotifyCalls = {
  inotify_init1: syscall("inotify_init1", 294, [["flags", int]], newFd),
  inotify_add_watch: syscall(
    "inotify_add_watch",
    254,
    [
      ["fd", fd],
      ["path", path],
      ["mask", IN],
    ],
    count,
  ),
  inotify_rm_watch: syscall(
    "inotify_rm_watch",
    255,
    [
      ["fd", fd],
      ["wd", int],
    ],
    nothing,
  ),
};
