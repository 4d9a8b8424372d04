// Event counters: eventfd(2). fdinfo: fs/eventfd.c, eventfd_show_fdinfo().
import { create } from "@bufbuild/protobuf";
import { EventfdFileEntrySchema } from "../../images/format/entries.js";
import { O } from "../../kernel/abi/fcntl.js";
import { sys } from "../../kernel/syscalls.js";
import type { FileKind } from "../kind.js";
import { refuseFile } from "./refuse.js";

export const eventfd: FileKind<"efd"> = {
  support: "full",
  type: "EVENTFD",
  field: "efd",
  summary: "event counters, eventfd(2)",
  signatures: [{ anonInode: "[eventfd]" }],
  limits: ["semaphore mode (EFD_SEMAPHORE) has no place in the image format, and is refused"],

  collect(file, common) {
    const field = (name: string) => file.fdinfo?.fields.get(name)?.[0];
    if (field("eventfd-semaphore") === "1") {
      throw refuseFile(
        file.subject,
        "it is an eventfd in semaphore mode, for which the image format has no place",
        "use EFD_SEMAPHORE no more",
      );
    }
    return create(EventfdFileEntrySchema, { ...common, counter: BigInt(`0x${field("eventfd-count") ?? "0"}`) });
  },

  open({ counter, flags }) {
    const fd = sys.eventfd2(0, (flags & O.O_NONBLOCK) | O.O_CLOEXEC);
    // eventfd(2) takes 32 bits; the counter has 64.
    if (counter !== 0n) sys.write(fd, new Uint8Array(BigUint64Array.of(counter).buffer), 8);
    return fd;
  },
};
