// A directory in a tmpfs that is mounted nowhere: it is gone with the last descriptor for it. fsopen(2), fsmount(2)
import { FSCONFIG_CMD_CREATE, FSMOUNT_CLOEXEC, FSOPEN_CLOEXEC } from "./abi/mount.js";
import { type OwnFd, own } from "./own-fd.js";
import { sys } from "./syscalls.js";

export function memoryDirectory(): OwnFd {
  using fs = own(sys.fsopen("tmpfs", FSOPEN_CLOEXEC));
  sys.fsconfig(fs.fd, FSCONFIG_CMD_CREATE);
  return own(sys.fsmount(fs.fd, FSMOUNT_CLOEXEC, 0));
}
