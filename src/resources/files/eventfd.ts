// Event counters: eventfd(2). fdinfo: fs/eventfd.c, eventfd_show_fdinfo().
import { create } from "@bufbuild/protobuf";
import { EventfdFileEntrySchema } from "../../images/format/entries.js";
import { O } from "../../kernel/abi/fcntl.js";
import { completed } from "../../kernel/own-fd.js";
import { sys } from "../../kernel/syscalls.js";
import type { FileKind } from "../kind.js";

const EFD_SEMAPHORE = 1;

export const eventfd: FileKind<"efd"> = {
  support: "full",
  type: "EVENTFD",
  field: "efd",
  summary: "event counters, eventfd(2)",
  signatures: [{ anonInode: "[eventfd]" }],
  limits: ["semaphore mode (EFD_SEMAPHORE) is carried over by stasis alone: CRIU's images have no place for it"],

  collect(file, common) {
    const field = (name: string) => file.fdinfo?.fields.get(name)?.[0];
    const semaphore = field("eventfd-semaphore") === "1";
    return create(EventfdFileEntrySchema, {
      ...common,
      counter: BigInt(`0x${field("eventfd-count") ?? "0"}`),
      ...(semaphore ? { semaphore } : {}),
    });
  },

  open({ counter, flags, semaphore }) {
    const made = sys.eventfd2(0, (flags & O.O_NONBLOCK) | O.O_CLOEXEC | (semaphore ? EFD_SEMAPHORE : 0));
    return completed(made, (fd) => {
      // eventfd(2) takes 32 bits; the counter has 64.
      if (counter !== 0n) sys.write(fd, new Uint8Array(BigUint64Array.of(counter).buffer), 8);
    });
  },
};
