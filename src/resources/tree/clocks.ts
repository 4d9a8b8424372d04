// The host's clocks at the time of the dump: timens-0.img, time_namespaces(7). A restore into a time namespace continues them.
import { create } from "@bufbuild/protobuf";
import { type TimensEntry, TimensEntrySchema, type Timespec, TimespecSchema } from "../../images/format/entries.js";
import { timespec } from "../../kernel/abi/time.js";
import { sys } from "../../kernel/syscalls.js";

const CLOCK_MONOTONIC = 1;
const CLOCK_BOOTTIME = 7;

export function collectClocks(): TimensEntry {
  return create(TimensEntrySchema, { monotonic: now(CLOCK_MONOTONIC), boottime: now(CLOCK_BOOTTIME) });
}

function now(clock: number): Timespec {
  const bytes = new Uint8Array(timespec.sizeBytes);
  sys.clock_gettime(clock, bytes);
  const { tv_sec, tv_nsec } = timespec.decode(bytes);
  return create(TimespecSchema, { tvSec: tv_sec, tvNsec: tv_nsec });
}
