// Unix sockets: unix(7). A connection over which a process asks for its own dump is saved as closed; the restored process finds a new one
// in its place, with the answer to its request waiting.
import { create } from "@bufbuild/protobuf";
import {
  SkShutdown,
  SocketCredentialsSchema,
  type SocketOptionEntry,
  type UnixSkEntry,
  UnixSkEntrySchema,
} from "../../../images/format/entries.js";
import { UnixSocketFlag } from "../../../images/format/numbers.js";
import {
  AF_UNIX,
  SO_PASSCRED,
  SOCK,
  SOL_SOCKET,
  type SocketKind,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_LISTEN,
  ucred,
} from "../../../kernel/abi/socket.js";
import type { AskedOptions } from "../../../kernel/asked-options.js";
import type { ListAt } from "../../../kernel/list-code.js";
import { UnixDiag, type UnixSocketState } from "../../../kernel/netlink/unix-diag.js";
import type { SeenSocket } from "../../../kernel/proc/descriptors.js";
import { StasisError, type Subject } from "../../../report/error.js";
import type { DumpContext, FileCommon, FileKind, OpenFile } from "../../kind.js";
import { applyFlags } from "../common.js";
import { refuseFile } from "../refuse.js";
import { isCarried } from "./more-options.js";
import { collectSocketOptions } from "./options.js";
import { QueuePeek } from "./queue-peek.js";
import { SocketQueues } from "./queues.js";
import { collectName } from "./unix-name.js";
import { checkOutside, outsideEntry } from "./unix-outside.js";
import { UnixQuestions } from "./unix-questions.js";
import { messageOf } from "./unix-queue.js";
import { RestoredUnixSockets } from "./unix-restored.js";

const CLOSE_IT = "have the program close it before the dump";

export const unixSocket: FileKind<"usk"> = {
  support: "full",
  type: "UNIXSK",
  field: "usk",
  summary: "unix sockets, unix(7)",
  signatures: [{ socket: [AF_UNIX] }],
  limits: [
    "a datagram socket that is connected to one outside of the tree needs --ext-unix-sk and is connected to that name again; a stream needs --external unix[INODE], and breaks for the other side",
    "an error that was not asked for yet (SO_ERROR) is lost",
    "who made a connection (SO_PEERCRED) and who sent what waits is carried over by stasis alone: CRIU's images have no place for it; a pid that is another's by then, or a sender's abstract name that another program has, is lost; so are SO_PEERGROUPS and SO_PEERPIDFD",
    "of a connection that is not accepted yet, who made it",
  ],

  collect(file, common, context) {
    return context.once(UnixSockets).collect(file, common);
  },

  validate(entry, context) {
    const strange = entry.moreOpts.find((option) => !isCarried(kindOf(entry), option));
    if (strange !== undefined) throw strangeOption(entry, strange);
    context.once(RestoredUnixSockets).note(entry);
  },

  prepare(_entry, context) {
    context.once(RestoredUnixSockets).connect();
  },

  open(entry, context) {
    return context.once(RestoredUnixSockets).open(entry);
  },

  openMany(entries, context) {
    const sockets = context.once(RestoredUnixSockets);
    const fds = entries.map((entry) => (sockets.isOwn(entry) ? sockets.open(entry) : undefined));
    applyFlags(fds, entries);
    return fds;
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
  readonly #peek = new QueuePeek();
  /** By type. */
  readonly #questions = new Map<number, UnixQuestions>();
  /** Sockets of other programs that have an entry. */
  readonly #outside = new Set<number>();
  #opened: UnixDiag | undefined;

  constructor(private readonly context: DumpContext) {}

  get #diag(): UnixDiag {
    this.#opened ??= this.context.scope.use(new UnixDiag());
    return this.#opened;
  }

  collect(file: OpenFile, common: FileCommon): UnixSkEntry {
    const ino = Number(file.stat.ino);
    const state = this.#diag.state(ino);
    if (state === undefined)
      throw refuseFile(file.subject, "it is in another network namespace, which is not supported yet", CLOSE_IT);
    const { serviceSocket } = this.context;
    const isService = serviceSocket !== undefined && state.peer === Number(serviceSocket);
    const questions = this.#questionsTo(state.type);
    const { general, more, credentials } = questions.ask(file.duplicate);
    const seen = { ino, state, common, file, general };
    const entry = isService ? closedEntry(seen) : entryOf(seen);
    if (isService) return entry;
    const { pid, uid, gid } = ucred.decode(credentials.valueUnless(0) ?? new Uint8Array());
    if (pid !== 0) entry.peerCredentials = create(SocketCredentialsSchema, { pid, uid, gid });
    entry.moreOpts = questions.more.collect(more, { isConnection: false });
    this.#sockets.set(ino, { entry, state, subject: file.subject });
    if (this.context.isRunning) return entry;
    if (mayHaveQueue(state)) this.#collectQueue(file, entry, state);
    return entry;
  }

  /** Lists of calls that ask some sockets what `collect` will want to know: Asking.foresee. */
  foresee(sockets: readonly SeenSocket[]): ListAt[] {
    return [SOCK.SOCK_STREAM, SOCK.SOCK_DGRAM, SOCK.SOCK_SEQPACKET].flatMap((type) => {
      const those = sockets.filter(({ kind }) => kind.type === type).map(({ duplicate }) => duplicate);
      return those.length === 0 ? [] : this.#questionsTo(type).foresee(those);
    });
  }

  forget(): void {
    for (const questions of this.#questions.values()) questions.forget();
  }

  #questionsTo(type: number): UnixQuestions {
    const questions = this.#questions.get(type) ?? new UnixQuestions(type);
    this.#questions.set(type, questions);
    return questions;
  }

  #collectQueue(file: OpenFile, { id }: UnixSkEntry, { type }: UnixSocketState): void {
    for (const packet of this.#peek.queue(file.duplicate, type, [{ level: SOL_SOCKET, name: SO_PASSCRED }])) {
      const { data, fds } = packet;
      if (data.byteLength === 0)
        throw refuseFile(file.subject, "a message without content waits in its queue", "have the program read it");
      for (const fd of fds) this.context.scope.use(fd);
      const rights = fds.map(({ fd }) => this.context.files.inFlight(file.process, fd));
      this.context.once(SocketQueues).add(messageOf(id, type, packet, rights));
    }
  }

  /** When all sockets of the tree are known: connections are told by both ends. Throws StasisError for one that leads outside. */
  check(): void {
    for (const [ino, socket] of this.#sockets) this.context.attempt(() => this.#check(ino, socket));
  }

  #check(ino: number, socket: Collected): void {
    const { entry } = socket;
    if (entry.state === TCP_LISTEN) this.#checkWaiting(socket);
    else if (entry.peer !== 0) this.#checkPeer(socket);
    else if (entry.state === TCP_ESTABLISHED && entry.type !== SOCK.SOCK_DGRAM) this.#findListener(ino, socket);
  }

  #checkPeer(socket: Collected): void {
    const { files, options } = this.context;
    const { peer } = socket.entry;
    if (this.#sockets.has(peer)) return;
    const state = this.#diag.stateNow(peer);
    checkOutside(socket, state, options);
    if (this.#outside.has(peer)) return;
    this.#outside.add(peer);
    files.addUnixPeer((id) => outsideEntry(id, peer, state?.name ?? new Uint8Array()));
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

  /**
   * Connected, to nobody that is known: either not accepted yet, and then CRIU names the listening socket as peer, or the other end is closed.
   * The kernel shuts both directions down then: net/unix/af_unix.c, unix_release_sock().
   */
  #findListener(ino: number, { entry, state, subject }: Collected): void {
    const listener = [...this.#sockets].find(([, other]) => other.state.waiting.includes(ino));
    if (listener === undefined && state.shutdown === SkShutdown.BOTH) return;
    if (listener === undefined)
      throw refuseFile(
        subject,
        "a socket outside of the tree has not accepted its connection yet",
        "have the other program accept it",
      );
    if (state.sendQueue > 0)
      throw refuseFile(
        subject,
        "it has sent to a connection that was not accepted yet, whose queue cannot be read",
        "have the other side accept it",
      );
    entry.peer = listener[0];
  }
}

/** A stream has no messages without content, and tells how much waits. */
function mayHaveQueue({ state, type, receiveQueue }: UnixSocketState): boolean {
  if (type === SOCK.SOCK_STREAM) return state === TCP_ESTABLISHED && receiveQueue > 0;
  return state === TCP_ESTABLISHED || type === SOCK.SOCK_DGRAM;
}

/** What is known of a socket. */
interface Seen {
  readonly ino: number;
  readonly state: UnixSocketState;
  readonly common: FileCommon;
  readonly file: OpenFile;
  /** The answers to `socketOptions`. */
  readonly general: AskedOptions;
}

function entryOf({ ino, state, common, file, general }: Seen): UnixSkEntry {
  const entry = create(UnixSkEntrySchema, {
    id: common.id,
    flags: common.flags,
    fown: common.fown,
    ino,
    type: state.type,
    state: state.state,
    uflags: 0,
    // Of a listening socket the length of its queue is the room that it has: sock_diag tells it in the place of sendQueue.
    backlog: state.state === TCP_LISTEN ? state.sendQueue : 0,
    peer: state.peer ?? 0,
    opts: collectSocketOptions(file, general),
    name: state.name,
  });
  Object.assign(entry, collectName(file.duplicate, state.name));
  if (state.shutdown !== SkShutdown.NONE) entry.shutdown = state.shutdown;
  return entry;
}

function closedEntry(seen: Seen): UnixSkEntry {
  const uflags = UnixSocketFlag.SERVICE;
  const entry = entryOf({ ...seen, state: { ...seen.state, name: new Uint8Array(), shutdown: 0 } });
  return Object.assign(entry, { state: TCP_CLOSE, uflags, peer: 0, backlog: 0 });
}

const kindOf = ({ type }: UnixSkEntry): SocketKind => ({ family: AF_UNIX, type, protocol: 0 });

const strangeOption = ({ id }: UnixSkEntry, { level, name }: SocketOptionEntry) =>
  new StasisError({
    code: "IMAGE_INVALID",
    doing: "read the image",
    subject: { kind: "image", file: "files.img" },
    reason: `unix socket (file ${id}): its option ${level}:${name} is none that is carried over`,
  });
