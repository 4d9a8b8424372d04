// The unix sockets of one restore. All are made when the first one is asked for, since they are made through each other: those that are
// bound, then connections over them, then what waits in queues.
import { SkShutdown, type UnixSkEntry } from "../../../images/format/entries.js";
import { UnixSocketFlag } from "../../../images/format/numbers.js";
import { AF_UNIX, SO_SNDBUFFORCE, SOCK, TCP_ESTABLISHED, TCP_LISTEN } from "../../../kernel/abi/socket.js";
import { asFd, type Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { own } from "../../../kernel/own-fd.js";
import { connectToName, newSocketPair, sendPacket } from "../../../kernel/packets.js";
import { Scope } from "../../../kernel/scope.js";
import { sys } from "../../../kernel/syscalls.js";
import type { RestoreContext } from "../../kind.js";
import { applySocketOptions, writeNumber } from "./options.js";
import { bindAgain, isPath, type Place, PrivatePlace, realPlace } from "./unix-name.js";
import { fillQueue, type QueuedMessage, readQueues } from "./unix-queue.js";

/** A criurpc answer: type DUMP, success, dump.restored. test/protocol compares it with what the protocol layer encodes. */
export const RESTORED_ANSWER = Uint8Array.from([0x08, 0x01, 0x10, 0x01, 0x1a, 0x02, 0x08, 0x01]);
const FILLING_BYTES = 16 << 20;
const isDgram = ({ type }: UnixSkEntry) => type === SOCK.SOCK_DGRAM;

export class RestoredUnixSockets {
  readonly #entries = new Map<number, UnixSkEntry>();
  /** By inode number of the dumped socket. */
  readonly #made = new Map<number, Fd>();
  /** The ends through which queues are filled whose real other end is gone. */
  readonly #writers = new Map<number, Fd>();
  /** What is only needed while they are made. */
  readonly #scaffold = new Scope();
  /** Deleted names: several sockets may have had the same one after another. */
  readonly #places = new Map<UnixSkEntry, PrivatePlace>();
  #isBuilt = false;

  constructor(private readonly context: RestoreContext) {}

  note(entry: UnixSkEntry): void {
    this.#entries.set(entry.ino, entry);
  }

  open(entry: UnixSkEntry): Fd {
    const inherited = this.context.inherited.get(`socket:[${entry.ino}]`);
    if (inherited !== undefined) return sys.dup(inherited);
    if ((entry.uflags & UnixSocketFlag.SERVICE) !== 0) return this.#openService();
    if (!this.#isBuilt) this.#build();
    const made = this.#made.get(entry.ino);
    if (made === undefined) throw new RangeError(`unix socket ${entry.ino} was not made`);
    return sys.dup(made);
  }

  #openService(): Fd {
    const [kept, other] = newSocketPair();
    sendPacket(other.fd, RESTORED_ANSWER);
    // Closed when all is in place: what was sent stays readable, and then comes the end of file.
    this.context.scope.use(other);
    return kept.release();
  }

  #build(): void {
    this.#isBuilt = true;
    const entries = [...this.#entries.values()].filter(({ uflags }) => (uflags & UnixSocketFlag.SERVICE) === 0);
    try {
      for (const entry of entries) if (this.#standsAlone(entry)) this.#makeAlone(entry);
      for (const entry of entries) if (!this.#made.has(entry.ino) && !this.#waits(entry)) this.#makeConnected(entry);
      for (const entry of entries) if (this.#waits(entry)) this.#makeWaiting(entry);
      for (const entry of entries) if (isDgram(entry)) this.#connectDgram(entry);
      this.#fillQueues(entries);
      for (const entry of entries) this.#finish(entry);
    } finally {
      this.#scaffold[Symbol.dispose]();
    }
  }

  /** Listening, without a connection, or a datagram socket, whose connection is made afterwards. */
  #standsAlone(entry: UnixSkEntry): boolean {
    return entry.state !== TCP_ESTABLISHED || (isDgram(entry) && !this.#isNamelessPair(entry));
  }

  /** Of a pair that socketpair(2) made; the other end may be closed. */
  #isNamelessPair(entry: UnixSkEntry): boolean {
    const peer = this.#entries.get(entry.peer);
    const isPeerNameless = entry.peer === 0 || (peer?.peer === entry.ino && peer.name.byteLength === 0);
    return entry.name.byteLength === 0 && isPeerNameless;
  }

  #makeAlone(entry: UnixSkEntry): void {
    const socket = this.#keep(entry, newSocket(entry.type));
    if (entry.name.byteLength > 0) bindAgain(socket, entry, this.#placeOf(entry));
    if (entry.state === TCP_LISTEN) sys.listen(socket, entry.backlog);
  }

  #placeOf(entry: UnixSkEntry): Place {
    return entry.deleted && isPath(entry.name) ? this.#privatePlace(entry) : realPlace(entry.nameDir);
  }

  #privatePlace(entry: UnixSkEntry): PrivatePlace {
    const known = this.#places.get(entry);
    if (known !== undefined) return known;
    const place = this.#scaffold.use(new PrivatePlace(entry.nameDir));
    this.#places.set(entry, place);
    return place;
  }

  /** Connected to a listening socket, and not accepted. */
  #waits({ state, peer, type }: UnixSkEntry): boolean {
    return state === TCP_ESTABLISHED && type !== SOCK.SOCK_DGRAM && this.#entries.get(peer)?.state === TCP_LISTEN;
  }

  #makeWaiting(entry: UnixSkEntry): void {
    const listener = this.#entries.get(entry.peer);
    if (listener === undefined) return;
    const socket = this.#keep(entry, newSocket(entry.type));
    if (entry.name.byteLength > 0) bindAgain(socket, entry, this.#placeOf(entry));
    this.#connect(socket, listener, this.#placeOf(listener));
  }

  /** Both ends of a connection, or the one that is left. The end with a name is the one that accept(2) gave. */
  #makeConnected(entry: UnixSkEntry): void {
    const peer = this.#entries.get(entry.peer);
    const named = [entry, peer].filter((end) => end !== undefined && end.name.byteLength > 0);
    const accepted = named.find((end) => end !== undefined && this.#listenerOf(end) !== undefined) ?? named[0];
    const [first, second] =
      accepted === undefined ? pairOf(entry.type) : this.#meet(accepted, accepted === entry ? peer : entry);
    const [mine, theirs] = accepted === undefined || accepted === entry ? [first, second] : [second, first];
    this.#keep(entry, mine);
    if (peer !== undefined) this.#keep(peer, theirs);
    else this.#writers.set(entry.ino, this.#scaffold.use(own(theirs)).fd);
  }

  /** connect(2) and accept(2), so that the accepted end has the name of the socket that listens. */
  #meet(accepted: UnixSkEntry, client: UnixSkEntry | undefined): [Fd, Fd] {
    const listener = this.#listenerOf(accepted);
    const socket = newSocket(accepted.type);
    if (client !== undefined && client.name.byteLength > 0) bindAgain(socket, client, this.#placeOf(client));
    if (listener !== undefined) {
      const listening = this.#made.get(listener.ino) ?? asFd(-1);
      this.#connect(socket, listener, this.#placeOf(listener));
      return [sys.accept4(listening, null, null, SOCK.SOCK_CLOEXEC), socket];
    }
    using standIn = own(newSocket(accepted.type));
    const place = isPath(accepted.name) ? this.#privatePlace(accepted) : realPlace("");
    bindAgain(standIn.fd, accepted, place);
    sys.listen(standIn.fd, 1);
    this.#connect(socket, accepted, place);
    return [sys.accept4(standIn.fd, null, null, SOCK.SOCK_CLOEXEC), socket];
  }

  #listenerOf(accepted: UnixSkEntry): UnixSkEntry | undefined {
    return [...this.#entries.values()].find(
      ({ state, type, name }) =>
        state === TCP_LISTEN && type === accepted.type && Buffer.compare(name, accepted.name) === 0,
    );
  }

  #connect(socket: Fd, { name }: UnixSkEntry, place: Place): void {
    if (isPath(name)) place.within(() => connectToName(socket, name));
    else connectToName(socket, name);
  }

  #connectDgram(entry: UnixSkEntry): void {
    const socket = this.#made.get(entry.ino);
    const peer = this.#entries.get(entry.peer);
    if (socket === undefined || peer === undefined || this.#isNamelessPair(entry)) return;
    this.#connect(socket, peer, this.#placeOf(peer));
  }

  #keep({ ino }: UnixSkEntry, socket: Fd): Fd {
    this.#made.set(ino, this.context.scope.use(own(socket)).fd);
    return socket;
  }

  #fillQueues(entries: readonly UnixSkEntry[]): void {
    const queues = readQueues(this.context.images);
    for (const entry of entries) {
      const messages = queues.get(entry.id);
      if (messages !== undefined) this.#fill(entry, messages);
    }
  }

  #fill(entry: UnixSkEntry, messages: readonly QueuedMessage[]): void {
    const writer = this.#writers.get(entry.ino) ?? this.#made.get(entry.peer) ?? this.#sender(entry);
    unless("EPERM", () => writeNumber(writer, SO_SNDBUFFORCE, FILLING_BYTES));
    fillQueue(writer, messages, (id) => this.context.files.fd(id));
  }

  /** For a datagram socket without a connection. */
  #sender(entry: UnixSkEntry): Fd {
    const sender = this.#scaffold.use(own(newSocket(entry.type)));
    this.#connect(sender.fd, entry, this.#placeOf(entry));
    return sender.fd;
  }

  #finish(entry: UnixSkEntry): void {
    const socket = this.#made.get(entry.ino);
    if (socket === undefined) return;
    applySocketOptions(socket, entry.opts ?? missingOptions(entry));
    const how = HOW[entry.shutdown];
    if (how !== undefined) unless("ENOTCONN", () => sys.shutdown(socket, how));
  }
}

/** shutdown(2): SHUT_RD, SHUT_WR, SHUT_RDWR. */
const HOW: Readonly<Record<number, number | undefined>> = {
  [SkShutdown.READ]: 0,
  [SkShutdown.WRITE]: 1,
  [SkShutdown.BOTH]: 2,
};

const newSocket = (type: number): Fd => sys.socket(AF_UNIX, type | SOCK.SOCK_CLOEXEC, 0);

function pairOf(type: number): [Fd, Fd] {
  const fds = new Int32Array(2);
  sys.socketpair(AF_UNIX, type | SOCK.SOCK_CLOEXEC, 0, new Uint8Array(fds.buffer));
  return [asFd(fds[0] ?? -1), asFd(fds[1] ?? -1)];
}

function missingOptions({ id }: UnixSkEntry): never {
  throw new RangeError(`unix socket ${id} has no options`);
}
