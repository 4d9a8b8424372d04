// fanotify(7): include/uapi/linux/fanotify.h
import { flags } from "../declare/flags.js";
import { fd, int, long, newFd, nothing, path, syscall } from "../declare/syscall.js";

export const FAN_MARK = flags({
  FAN_MARK_ADD: 1,
  FAN_MARK_MOUNT: 0x10,
  FAN_MARK_IGNORED_MASK: 0x20,
  FAN_MARK_IGNORED_SURV_MODIFY: 0x40,
  FAN_MARK_EVICTABLE: 0x200,
  FAN_MARK_IGNORE: 0x400,
});
/** FAN_OPEN_PERM, FAN_ACCESS_PERM, FAN_OPEN_EXEC_PERM, FAN_PRE_ACCESS: whoever causes one waits for the answer. */
export const FAN_PERMISSIONS = 0x170000;

export const fanotifyCalls = {
  fanotify_init: syscall(
    "fanotify_init",
    300,
    [
      ["flags", int],
      ["event_f_flags", int],
    ],
    newFd,
  ),
  fanotify_mark: syscall(
    "fanotify_mark",
    301,
    [
      ["fanotify_fd", fd],
      ["flags", FAN_MARK],
      ["mask", long],
      ["dirfd", fd],
      ["path", path],
    ],
    nothing,
  ),
};
