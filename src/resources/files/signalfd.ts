// Signals by descriptor: signalfd(2). fdinfo: fs/signalfd.c, signalfd_show_fdinfo(). Queued signals belong to the tasks.
import { create } from "@bufbuild/protobuf";
import { SignalfdEntrySchema } from "../../images/format/entries.js";
import { O } from "../../kernel/abi/fcntl.js";
import { SIGSET_BYTES } from "../../kernel/abi/signal.js";
import { NO_FD } from "../../kernel/brand.js";
import { sys } from "../../kernel/syscalls.js";
import type { FileKind } from "../kind.js";

export const signalfd: FileKind<"sgfd"> = {
  support: "full",
  type: "SIGNALFD",
  field: "sgfd",
  summary: "signals by descriptor, signalfd(2)",
  signatures: [{ anonInode: "[signalfd]" }],

  collect(file, common) {
    const mask = file.fdinfo?.fields.get("sigmask")?.[0] ?? "0";
    return create(SignalfdEntrySchema, { ...common, sigmask: BigInt(`0x${mask}`) });
  },

  open({ sigmask, flags }) {
    const mask = new Uint8Array(BigUint64Array.of(sigmask).buffer);
    return sys.signalfd4(NO_FD, mask, SIGSET_BYTES, (flags & O.O_NONBLOCK) | O.O_CLOEXEC);
  },
};
