// Timers with a descriptor: timerfd_create(2). fdinfo: fs/timerfd.c, timerfd_show(); the time left is relative there.
import { create } from "@bufbuild/protobuf";
import { TimerfdEntrySchema } from "../../images/format/entries.js";
import { O } from "../../kernel/abi/fcntl.js";
import { itimerspec, timespec } from "../../kernel/abi/time.js";
import type { Fd } from "../../kernel/brand.js";
import { completed } from "../../kernel/own-fd.js";
import { sys } from "../../kernel/syscalls.js";
import type { FileKind, OpenFile } from "../kind.js";

/** _IOW('T', 0, __u64): include/uapi/linux/timerfd.h; needs CONFIG_CHECKPOINT_RESTORE. */
const TFD_IOC_SET_TICKS = 0x40085400;
const TFD_TIMER_ABSTIME = 1;

export const timerfd: FileKind<"tfd"> = {
  support: "full",
  type: "TIMERFD",
  field: "tfd",
  summary: "timers with a descriptor, timerfd_create(2)",
  signatures: [{ anonInode: "[timerfd]" }],

  collect(file, common) {
    const [vsec, vnsec] = pair(file, "it_value");
    const [isec, insec] = pair(file, "it_interval");
    const number = (name: string, radix: number) => Number.parseInt(text(file, name), radix) || 0;
    return create(TimerfdEntrySchema, {
      ...common,
      clockid: number("clockid", 10),
      ticks: BigInt(text(file, "ticks") || "0"),
      settimeFlags: number("settime flags", 8),
      ...{ vsec, vnsec, isec, insec },
    });
  },

  open({ clockid, flags, ticks, settimeFlags, vsec, vnsec, isec, insec }) {
    // One that has expired is set again only when it is read (fs/timerfd.c, timerfd_read_iter()): until then it shows no time left.
    const isSet = vsec !== 0n || vnsec !== 0n;
    const left = isSet ? inNanoseconds(vsec, vnsec) : inNanoseconds(isec, insec);
    // A date is one again, and moves with its clock; only with a date the kernel takes TFD_TIMER_CANCEL_ON_SET.
    const isDate = (settimeFlags & TFD_TIMER_ABSTIME) !== 0 && left !== 0n;
    const value = left + (isDate ? now(clockid) : 0n);
    const spec = itimerspec.encode({
      ...{ valueSec: value / SECOND, valueNsec: value % SECOND },
      ...{ intervalSec: isec, intervalNsec: insec },
    });
    return completed(sys.timerfd_create(clockid, (flags & O.O_NONBLOCK) | O.O_CLOEXEC), (fd) => {
      sys.timerfd_settime(fd, isDate ? settimeFlags : 0, spec, null);
      if (ticks !== 0n) setTicks(fd, ticks);
    });
  },
};

const SECOND = 1_000_000_000n;
const inNanoseconds = (seconds: bigint, nanoseconds: bigint) => seconds * SECOND + nanoseconds;

function now(clock: number): bigint {
  const bytes = new Uint8Array(timespec.sizeBytes);
  sys.clock_gettime(clock, bytes);
  const { tv_sec, tv_nsec } = timespec.decode(bytes);
  return inNanoseconds(tv_sec, tv_nsec);
}

function setTicks(fd: Fd, ticks: bigint): void {
  sys.ioctl(fd, TFD_IOC_SET_TICKS, new Uint8Array(BigUint64Array.of(ticks).buffer));
}

const text = (file: OpenFile, name: string) => file.fdinfo?.fields.get(name)?.[0] ?? "";

/** "(5, 250000000)": seconds and nanoseconds. */
function pair(file: OpenFile, name: string): [bigint, bigint] {
  const [, seconds = "0", nanoseconds = "0"] = /^\((\d+), (\d+)\)$/.exec(text(file, name)) ?? [];
  return [BigInt(seconds), BigInt(nanoseconds)];
}
