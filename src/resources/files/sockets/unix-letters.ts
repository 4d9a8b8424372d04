// Datagrams that wait in a unix socket with a name, a mailbox: each is sent again by a socket with the name of the one that had sent it, as
// recvfrom(2) tells that. The sender may be gone long since; or it is another program's.
import { isFieldSet } from "@bufbuild/protobuf";
import { SkPacketEntrySchema, type UnixSkEntry } from "../../../images/format/entries.js";
import { AF_UNIX, SOCK } from "../../../kernel/abi/socket.js";
import type { Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { own } from "../../../kernel/own-fd.js";
import { bindToName } from "../../../kernel/packets.js";
import { Scope } from "../../../kernel/scope.js";
import { sys } from "../../../kernel/syscalls.js";
import type { Log } from "../../../report/log.js";
import type { QueuedMessage } from "./queues.js";
import { bindAgain, isPath, PrivatePlace, showName } from "./unix-name.js";

type Mailbox = Pick<UnixSkEntry, "name" | "type" | "ino">;

/** The senders of one restore. */
export class Senders implements Disposable {
  readonly #scope = new Scope();
  /** By name, in hexadecimal digits. */
  readonly #byName = new Map<string, Fd>();

  /** `known`: sockets of the tree that may have sent something themselves. */
  constructor(
    known: readonly { readonly entry: Mailbox; readonly socket: Fd }[],
    private readonly log: Log,
  ) {
    for (const { entry, socket } of known)
      if (entry.type === SOCK.SOCK_DGRAM && entry.name.byteLength > 0) this.#byName.set(keyOf(entry.name), socket);
  }

  /** A socket that sends in this name. */
  named(name: Uint8Array): Fd {
    const key = keyOf(name);
    const socket = this.#byName.get(key) ?? this.#make(name);
    this.#byName.set(key, socket);
    return socket;
  }

  #make(name: Uint8Array): Fd {
    const socket = this.#scope.use(own(sys.socket(AF_UNIX, SOCK.SOCK_DGRAM | SOCK.SOCK_CLOEXEC, 0))).fd;
    if (isPath(name)) bindAgain(socket, { name, id: 0 }, this.#scope.use(new PrivatePlace("")));
    else if (name.byteLength > 0 && unless("EADDRINUSE", () => bindToName(socket, name) ?? true) === undefined)
      this.log.warn(`datagrams of ${showName(name)} come without a sender: the name is taken`);
    return socket;
  }

  [Symbol.dispose](): void {
    this.#scope[Symbol.dispose]();
  }
}

/**
 * How many messages of a mailbox came before all that are of its `peer`. They are sent before it is connected: then it takes nothing of others.
 * CRIU's images do not tell who sent a message.
 */
export function countOfOthers(messages: readonly QueuedMessage[], peer: Mailbox | undefined): number {
  if (peer === undefined) return messages.length;
  const isOfOther = ({ entry }: QueuedMessage) =>
    isFieldSet(entry, SkPacketEntrySchema.field.sender) && keyOf(entry.sender) !== keyOf(peer.name);
  return messages.findLastIndex(isOfOther) + 1;
}

const keyOf = (name: Uint8Array) => Buffer.from(name).toString("hex");
