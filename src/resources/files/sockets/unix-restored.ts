// The unix sockets of one restore. They are made through each other: those that are bound, then connections over them, all before any task exists
// (unix-origins.ts), and what waits in queues when the first one is asked for.
import {
  type SkOptsEntry,
  SkShutdown,
  type SocketCredentials,
  type UnixSkEntry,
} from "../../../images/format/entries.js";
import { UnixSocketFlag } from "../../../images/format/numbers.js";
import { AF_UNIX, SO_SNDBUFFORCE, SOCK, TCP_ESTABLISHED, TCP_LISTEN } from "../../../kernel/abi/socket.js";
import { prepared } from "../../../kernel/batch.js";
import { asFd, type Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { addressOfName } from "../../../kernel/messages.js";
import { type OwnFd, own } from "../../../kernel/own-fd.js";
import { newSocketPair, sendPacket } from "../../../kernel/packets.js";
import { Scope } from "../../../kernel/scope.js";
import { sys } from "../../../kernel/syscalls.js";
import type { RestoreContext } from "../../kind.js";
import { applyMoreOptions } from "./more-options.js";
import { applySocketOptions, isAsUsual, usualOptions, writeNumber } from "./options.js";
import { type QueuedMessage, RestoredQueues } from "./queues.js";
import { countOfOthers, Senders } from "./unix-letters.js";
import { bindAgain, isPath, type Place, PrivatePlace, realPlace } from "./unix-name.js";
import { Origins } from "./unix-origins.js";
import { connectOutside, isOutside, validateOutside } from "./unix-outside.js";
import { type Sending, sendAgain } from "./unix-queue.js";

/** A criurpc answer: type DUMP, success, dump.restored. test/protocol compares it with what the protocol layer encodes. */
export const RESTORED_ANSWER = Uint8Array.from([0x08, 0x01, 0x10, 0x01, 0x1a, 0x02, 0x08, 0x01]);
const FILLING_BYTES = 16 << 20;
const isService = ({ uflags }: UnixSkEntry) => (uflags & UnixSocketFlag.SERVICE) !== 0;
const isDgram = ({ type }: UnixSkEntry) => type === SOCK.SOCK_DGRAM;

export class RestoredUnixSockets {
  readonly #entries = new Map<number, UnixSkEntry>();
  /** By inode number of the dumped socket. */
  readonly #made = new Map<number, Fd>();
  /** Ours until they are asked for. */
  readonly #owned = new Map<number, OwnFd>();
  /** The ends through which queues are filled whose real other end is gone. */
  readonly #writers = new Map<number, Fd>();
  /** What is only needed while they are made. */
  readonly #scaffold = new Scope();
  /** Deleted names: several sockets may have had the same one after another. */
  readonly #places = new Map<UnixSkEntry, PrivatePlace>();
  /** Sockets of other programs. */
  readonly #outside: ReadonlyMap<number, UnixSkEntry>;
  /** What a new socket of a type has. */
  readonly #usual = new Map<number, SkOptsEntry>();
  /** Sockets that may have something else by now. */
  readonly #altered = new Set<Fd>();
  #isConnected = false;
  #isFilled = false;
  readonly #origins: Origins;

  constructor(private readonly context: RestoreContext) {
    this.#origins = new Origins(context.log);
    const entries = [...context.files.all()].flatMap(({ usk }) => usk ?? []);
    this.#outside = new Map(entries.filter(isOutside).map((entry) => [entry.ino, entry]));
  }

  /** Throws StasisError when it cannot come back. */
  note(entry: UnixSkEntry): void {
    if (isOutside(entry)) return;
    this.#entries.set(entry.ino, entry);
    const peer = this.#outside.get(entry.peer);
    if (peer !== undefined && this.#inherited(entry) === undefined) validateOutside(entry, peer, this.context);
  }

  #inherited({ ino }: UnixSkEntry): Fd | undefined {
    return this.context.inherited.get(`socket:[${ino}]`);
  }

  isOwn(entry: UnixSkEntry): boolean {
    return this.#inherited(entry) === undefined && !isService(entry);
  }

  open(entry: UnixSkEntry): Fd {
    const inherited = this.#inherited(entry);
    if (inherited !== undefined) return sys.dup(inherited);
    if (isService(entry)) return this.#openService();
    if (!this.#isFilled) this.#fill();
    const owned = this.#owned.get(entry.ino);
    if (owned === undefined) throw new RangeError(`unix socket ${entry.ino} was not made`);
    return owned.release();
  }

  #openService(): Fd {
    const [kept, other] = newSocketPair();
    sendPacket(other.fd, RESTORED_ANSWER);
    // Closed when all is in place: what was sent stays readable, and then comes the end of file.
    this.context.scope.use(other);
    return kept.release();
  }

  /** Makes them all, and their connections; a second call does nothing. */
  connect(): void {
    if (this.#isConnected) return;
    this.#isConnected = true;
    this.context.scope.use(this.#scaffold);
    const entries = this.#ours();
    for (const entry of entries) if (this.#standsAlone(entry)) this.#makeAlone(entry);
    this.#makePairs(entries.filter((entry) => this.#isPair(entry)));
    for (const entry of entries) if (!this.#made.has(entry.ino) && !this.#waits(entry)) this.#makeConnected(entry);
    for (const entry of entries) if (this.#waits(entry)) this.#makeWaiting(entry);
  }

  /** Puts into their queues what waits there. Of that some may be descriptors of any kind, or name tasks. */
  #fill(): void {
    this.#isFilled = true;
    const entries = this.#ours();
    this.#fillQueues(entries);
    for (const entry of entries) this.#connectOutside(entry);
    for (const entry of entries) this.#finish(entry);
    this.#scaffold[Symbol.dispose]();
  }

  #ours(): UnixSkEntry[] {
    return [...this.#entries.values()].filter((entry) => !isService(entry) && this.#inherited(entry) === undefined);
  }

  /** Listening, without a connection, or a datagram socket or one that leads outside, whose connection is made afterwards. */
  #standsAlone(entry: UnixSkEntry): boolean {
    if (this.#outside.has(entry.peer)) return true;
    return entry.state !== TCP_ESTABLISHED || (isDgram(entry) && !this.#isNamelessPair(entry));
  }

  /** Of a pair that socketpair(2) made; the other end may be closed. */
  #isNamelessPair(entry: UnixSkEntry): boolean {
    const peer = this.#entries.get(entry.peer);
    const isPeerNameless = entry.peer === 0 || (peer?.peer === entry.ino && peer.name.byteLength === 0);
    return entry.name.byteLength === 0 && isPeerNameless;
  }

  /** Both ends are ours, and have no name. */
  #isPair(entry: UnixSkEntry): boolean {
    return !this.#standsAlone(entry) && !this.#waits(entry) && this.#isNamelessPair(entry);
  }

  /** One process makes all that have the same credentials. */
  #makePairs(entries: readonly UnixSkEntry[]): void {
    const sets = new Map<string, { readonly by: SocketCredentials | undefined; readonly pairs: Pair[] }>();
    const planned = new Set<number>();
    for (const entry of entries) {
      if (planned.has(entry.ino)) continue;
      planned.add(entry.ino).add(entry.peer);
      const { pid, uid, gid } = entry.peerCredentials ?? {};
      const key = `${pid} ${uid} ${gid}`;
      const set = sets.get(key) ?? { by: entry.peerCredentials, pairs: [] };
      sets.set(key, set);
      set.pairs.push({ entry, fds: new Int32Array(2) });
    }
    for (const { by, pairs } of sets.values()) {
      const calls = pairs.map(({ entry: { type }, fds }) =>
        prepared.socketpair(AF_UNIX, type | SOCK.SOCK_CLOEXEC, 0, new Uint8Array(fds.buffer)),
      );
      this.#origins.callAs(by, calls);
      for (const { entry, fds } of pairs) this.#keepEnds(entry, asFd(fds[0] ?? -1), asFd(fds[1] ?? -1));
    }
  }

  #keepEnds(entry: UnixSkEntry, mine: Fd, theirs: Fd): void {
    const peer = this.#entries.get(entry.peer);
    this.#keep(entry, mine);
    if (peer !== undefined) this.#keep(peer, theirs);
    else this.#writers.set(entry.ino, this.#scaffold.use(own(theirs)).fd);
  }

  #makeAlone(entry: UnixSkEntry): void {
    const socket = this.#keep(entry, newSocket(entry.type));
    if (entry.name.byteLength > 0) bindAgain(socket, entry, this.#placeOf(entry));
    if (entry.state === TCP_LISTEN)
      this.#origins.callAs(entry.peerCredentials, [prepared.listen(socket, entry.backlog)]);
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
    this.#connect(socket, listener);
  }

  /** Both ends of a connection, or the one that is left. The end with a name is the one that accept(2) gave. */
  #makeConnected(entry: UnixSkEntry): void {
    const peer = this.#entries.get(entry.peer);
    const named = [entry, peer].filter((end) => end !== undefined && end.name.byteLength > 0);
    const accepted = named.find((end) => end !== undefined && this.#listenerOf(end) !== undefined) ?? named[0];
    if (accepted === undefined) {
      this.#makePairs([entry]);
      return;
    }
    const [first, second] = this.#meet(accepted, accepted === entry ? peer : entry);
    this.#altered.add(first);
    if (accepted === entry) this.#keepEnds(entry, first, second);
    else this.#keepEnds(entry, second, first);
  }

  /** connect(2) and accept(2), so that the accepted end has the name of the socket that listens. */
  #meet(accepted: UnixSkEntry, client: UnixSkEntry | undefined): [Fd, Fd] {
    const listener = this.#listenerOf(accepted);
    const socket = newSocket(accepted.type);
    if (client !== undefined && client.name.byteLength > 0) bindAgain(socket, client, this.#placeOf(client));
    if (listener !== undefined) {
      const listening = this.#made.get(listener.ino) ?? asFd(-1);
      this.#connect(socket, listener, accepted.peerCredentials);
      return [sys.accept4(listening, null, null, SOCK.SOCK_CLOEXEC), socket];
    }
    using standIn = own(newSocket(accepted.type));
    const place = isPath(accepted.name) ? this.#privatePlace(accepted) : realPlace("");
    bindAgain(standIn.fd, accepted, place);
    this.#origins.callAs(client?.peerCredentials, [prepared.listen(standIn.fd, 1)]);
    place.within(() => this.#connectTo(socket, accepted.name, accepted.peerCredentials));
    return [sys.accept4(standIn.fd, null, null, SOCK.SOCK_CLOEXEC), socket];
  }

  #listenerOf(accepted: UnixSkEntry): UnixSkEntry | undefined {
    return [...this.#entries.values()].find(
      ({ state, type, name }) =>
        state === TCP_LISTEN && type === accepted.type && Buffer.compare(name, accepted.name) === 0,
    );
  }

  #connect(socket: Fd, peer: UnixSkEntry, by?: SocketCredentials): void {
    const { name } = peer;
    if (isPath(name)) this.#placeOf(peer).within(() => this.#connectTo(socket, name, by));
    else this.#connectTo(socket, name, by);
  }

  #connectTo(socket: Fd, name: Uint8Array, by: SocketCredentials | undefined): void {
    const { address, lengthBytes } = addressOfName(name);
    this.#origins.callAs(by, [prepared.connect(socket, address, lengthBytes)]);
  }

  #connectDgram(entry: UnixSkEntry): void {
    const socket = this.#made.get(entry.ino);
    const peer = this.#entries.get(entry.peer);
    if (socket === undefined || peer === undefined || this.#isNamelessPair(entry)) return;
    this.#connect(socket, peer);
  }

  /** After its queue is filled: then it takes messages of its peer alone. */
  #connectOutside(entry: UnixSkEntry): void {
    const socket = this.#made.get(entry.ino);
    const peer = this.#outside.get(entry.peer);
    if (socket !== undefined && peer !== undefined) connectOutside(socket, entry, peer);
  }

  #keep({ ino }: UnixSkEntry, socket: Fd): Fd {
    this.#made.set(ino, socket);
    this.#owned.set(ino, this.context.scope.use(own(socket)));
    return socket;
  }

  /** Sends what waits, and connects datagram sockets. */
  #fillQueues(entries: readonly UnixSkEntry[]): void {
    const queues = this.context.once(RestoredQueues);
    const known = entries.flatMap((entry) => {
      const socket = this.#made.get(entry.ino);
      return socket === undefined ? [] : { entry, socket };
    });
    const senders = this.#scaffold.use(new Senders(known, this.context.log));
    const ofPeers = entries.map((entry) => {
      const messages = queues.of(entry.id);
      if (!this.#isMailbox(entry)) return { entry, messages };
      const peer = this.#made.has(entry.peer) ? this.#entries.get(entry.peer) : undefined;
      const count = countOfOthers(messages, peer);
      for (const message of messages.slice(0, count)) this.#mail(entry, senders.named(message.entry.sender), message);
      return { entry, messages: messages.slice(count) };
    });
    for (const entry of entries) if (isDgram(entry)) this.#connectDgram(entry);
    for (const { entry, messages } of ofPeers) {
      const writer = this.#writers.get(entry.ino) ?? this.#made.get(entry.peer);
      if (writer === undefined) continue;
      for (const message of messages) {
        if (this.#isMailbox(entry)) this.#mail(entry, writer, message);
        else this.#send({ socket: writer }, message);
      }
    }
  }

  /** Takes datagrams of whoever knows its name. */
  #isMailbox(entry: UnixSkEntry): boolean {
    return isDgram(entry) && !this.#isNamelessPair(entry);
  }

  #mail(entry: UnixSkEntry, socket: Fd, message: QueuedMessage): void {
    const send = () => this.#send({ socket, to: entry.name }, message);
    if (isPath(entry.name)) this.#placeOf(entry).within(send);
    else send();
  }

  #send(sending: Sending, message: QueuedMessage): void {
    this.#altered.add(sending.socket);
    unless("EPERM", () => writeNumber(sending.socket, SO_SNDBUFFORCE, FILLING_BYTES));
    sendAgain(sending, message, (id) => this.context.files.fd(id), this.#origins);
  }

  #usualOf(type: number): SkOptsEntry {
    const known = this.#usual.get(type);
    if (known !== undefined) return known;
    using fresh = own(newSocket(type));
    const usual = usualOptions(fresh.fd);
    this.#usual.set(type, usual);
    return usual;
  }

  #finish(entry: UnixSkEntry): void {
    const socket = this.#made.get(entry.ino);
    if (socket === undefined) return;
    const opts = entry.opts ?? missingOptions(entry);
    if (this.#altered.has(socket) || !isAsUsual(opts, this.#usualOf(entry.type))) applySocketOptions(socket, opts);
    applyMoreOptions(socket, entry.moreOpts);
    const how = HOW[entry.shutdown];
    if (how !== undefined) unless("ENOTCONN", () => sys.shutdown(socket, how));
  }
}

/** A connection to be made, and where its ends will be. */
interface Pair {
  readonly entry: UnixSkEntry;
  readonly fds: Int32Array;
}

/** shutdown(2): SHUT_RD, SHUT_WR, SHUT_RDWR. */
const HOW: Readonly<Record<number, number | undefined>> = {
  [SkShutdown.READ]: 0,
  [SkShutdown.WRITE]: 1,
  [SkShutdown.BOTH]: 2,
};

const newSocket = (type: number): Fd => sys.socket(AF_UNIX, type | SOCK.SOCK_CLOEXEC, 0);

function missingOptions({ id }: UnixSkEntry): never {
  throw new RangeError(`unix socket ${id} has no options`);
}
