// Unix sockets: unix(7). A connection over which a process asks for its own dump is saved as closed; the restored process finds a new one
// in its place, with the answer to its request waiting.
import { create } from "@bufbuild/protobuf";
import { SkShutdown, type UnixSkEntry, UnixSkEntrySchema } from "../../../images/format/entries.js";
import { UnixSocketFlag } from "../../../images/format/numbers.js";
import { AF_UNIX, SOCK, TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN } from "../../../kernel/abi/socket.js";
import { type UnixSocketState, unixSocketState } from "../../../kernel/netlink/unix-diag.js";
import type { Subject } from "../../../report/error.js";
import type { DumpContext, FileCommon, FileKind, OpenFile } from "../../kind.js";
import { refuseFile } from "../refuse.js";
import { collectSocketOptions } from "./options.js";
import { collectName } from "./unix-name.js";
import { messageOf, peekQueue, type QueuedMessage, writeQueues } from "./unix-queue.js";
import { RestoredUnixSockets } from "./unix-restored.js";

const CLOSE_IT = "have the program close it before the dump";

export const unixSocket: FileKind<"usk"> = {
  support: "full",
  type: "UNIXSK",
  field: "usk",
  summary: "unix sockets, unix(7)",
  signatures: [{ socket: [AF_UNIX] }],
  limits: [
    "both ends of a connection must be in the tree",
    "SO_PEERCRED names stasis afterwards, and so do the credentials of messages that were not read yet",
    "SO_PEEK_OFF and the sender addresses of datagrams that wait are not in the images",
  ],

  collect(file, common, context) {
    return context.once(UnixSockets).collect(file, common);
  },

  validate(entry, context) {
    context.once(RestoredUnixSockets).note(entry);
  },

  open(entry, context) {
    return context.once(RestoredUnixSockets).open(entry);
  },
};

interface Collected {
  readonly entry: UnixSkEntry;
  readonly state: UnixSocketState;
  readonly subject: Subject;
}

/** The unix sockets of one dump. */
export class UnixSockets {
  readonly #sockets = new Map<number, Collected>();
  readonly #messages: QueuedMessage[] = [];

  constructor(private readonly context: DumpContext) {}

  collect(file: OpenFile, common: FileCommon): UnixSkEntry {
    const ino = Number(file.stat.ino);
    const state = unixSocketState(ino);
    if (state === undefined)
      throw refuseFile(file.subject, "it is in another network namespace, which is not supported yet", CLOSE_IT);
    const { serviceSocket } = this.context;
    const isService = serviceSocket !== undefined && state.peer === Number(serviceSocket);
    const entry = isService ? closedEntry(ino, state, common, file) : entryOf(ino, state, common, file);
    if (isService) return entry;
    this.#sockets.set(ino, { entry, state, subject: file.subject });
    if (state.state === TCP_ESTABLISHED || state.type === SOCK.SOCK_DGRAM) this.#collectQueue(file, entry, state);
    return entry;
  }

  #collectQueue(file: OpenFile, { id }: UnixSkEntry, { type }: UnixSocketState): void {
    for (const { data, fds } of peekQueue(file.duplicate, type)) {
      if (data.byteLength === 0)
        throw refuseFile(file.subject, "a message without content waits in its queue", "have the program read it");
      for (const fd of fds) this.context.scope.use(fd);
      const rights = fds.map(({ fd }) => this.context.files.inFlight(file.process, fd));
      this.#messages.push(messageOf(id, data, rights));
    }
  }

  /** When all sockets of the tree are known: connections are told by both ends. Throws StasisError for one that leads outside. */
  write(): void {
    for (const [ino, socket] of this.#sockets) {
      if (socket.entry.state === TCP_LISTEN) this.#checkWaiting(socket);
      else if (socket.entry.peer !== 0) this.#checkPeer(socket);
      else if (socket.entry.state === TCP_ESTABLISHED && socket.entry.type !== SOCK.SOCK_DGRAM)
        this.#findListener(ino, socket);
    }
    writeQueues(this.context.images, this.#messages);
  }

  #checkPeer({ entry, subject }: Collected): void {
    if (this.#sockets.has(entry.peer)) return;
    throw refuseFile(
      subject,
      `it is connected to socket ${entry.peer}, which is outside of the tree`,
      "dump the other program with it, or have it close the connection",
    );
  }

  #checkWaiting({ state, subject }: Collected): void {
    const stranger = state.waiting.find((ino) => !this.#sockets.has(ino));
    if (stranger === undefined) return;
    const reason =
      stranger === 0
        ? "a connection to it was closed before it was accepted"
        : `socket ${stranger}, outside of the tree, has connected to it and was not accepted yet`;
    throw refuseFile(subject, reason, "have the program accept what waits");
  }

  /** Connected, to nobody that is known: either not accepted yet, and then CRIU names the listening socket as peer, or the other end is closed. */
  #findListener(ino: number, { entry, state, subject }: Collected): void {
    const listener = [...this.#sockets].find(([, other]) => other.state.waiting.includes(ino));
    if (listener === undefined) return;
    if (state.sendQueue > 0)
      throw refuseFile(
        subject,
        "it has sent to a connection that was not accepted yet, whose queue cannot be read",
        "have the other side accept it",
      );
    entry.peer = listener[0];
  }
}

function entryOf(ino: number, state: UnixSocketState, common: FileCommon, file: OpenFile): UnixSkEntry {
  const entry = create(UnixSkEntrySchema, {
    ...common,
    ino,
    type: state.type,
    state: state.state,
    uflags: 0,
    // Of a listening socket the length of its queue is the room that it has: sock_diag tells it in the place of sendQueue.
    backlog: state.state === TCP_LISTEN ? state.sendQueue : 0,
    peer: state.peer ?? 0,
    opts: collectSocketOptions(file),
    name: state.name,
    ...collectName(file.duplicate, state.name),
  });
  if (state.shutdown !== SkShutdown.NONE) entry.shutdown = state.shutdown;
  return entry;
}

function closedEntry(ino: number, state: UnixSocketState, common: FileCommon, file: OpenFile): UnixSkEntry {
  const uflags = UnixSocketFlag.SERVICE;
  const entry = entryOf(ino, { ...state, name: new Uint8Array(), shutdown: 0 }, common, file);
  return Object.assign(entry, { state: TCP_CLOSE, uflags, peer: 0, backlog: 0 });
}
