// The unix sockets of one restore. They and their connections are made before any task exists (unix-connections.ts), and what waits in queues when
// the first one is asked for.
import { type SkOptsEntry, SkShutdown, type UnixSkEntry } from "../../../images/format/entries.js";
import { UnixSocketFlag } from "../../../images/format/numbers.js";
import { SO_SNDBUFFORCE } from "../../../kernel/abi/socket.js";
import type { Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { own } from "../../../kernel/own-fd.js";
import { newSocketPair, sendPacket } from "../../../kernel/packets.js";
import { Scope } from "../../../kernel/scope.js";
import { sys } from "../../../kernel/syscalls.js";
import type { RestoreContext } from "../../kind.js";
import { applyMoreOptions } from "./more-options.js";
import { applySocketOptions, isAsUsual, usualOptions, writeNumber } from "./options.js";
import { type QueuedMessage, RestoredQueues } from "./queues.js";
import { isDgram, newSocket, UnixConnections } from "./unix-connections.js";
import { countOfOthers, Senders } from "./unix-letters.js";
import { isPath } from "./unix-name.js";
import { Origins } from "./unix-origins.js";
import { connectOutside, isOutside, validateOutside } from "./unix-outside.js";
import { type Sending, sendAgain } from "./unix-queue.js";

/** A criurpc answer: type DUMP, success, dump.restored. test/protocol compares it with what the protocol layer encodes. */
export const RESTORED_ANSWER = Uint8Array.from([0x08, 0x01, 0x10, 0x01, 0x1a, 0x02, 0x08, 0x01]);
const FILLING_BYTES = 16 << 20;
const isService = ({ uflags }: UnixSkEntry) => (uflags & UnixSocketFlag.SERVICE) !== 0;

export class RestoredUnixSockets {
  /** By inode number of the dumped socket. */
  readonly #entries = new Map<number, UnixSkEntry>();
  /** Sockets of other programs. */
  readonly #outside: ReadonlyMap<number, UnixSkEntry>;
  /** What is only needed while they are made. */
  readonly #scaffold = new Scope();
  readonly #origins: Origins;
  readonly #connections: UnixConnections;
  /** What a new socket of a type has. */
  readonly #usual = new Map<number, SkOptsEntry>();
  #isConnected = false;
  #isFilled = false;

  constructor(private readonly context: RestoreContext) {
    this.#origins = new Origins(context.log);
    const entries = [...context.files.all()].flatMap(({ usk }) => usk ?? []);
    this.#outside = new Map(entries.filter(isOutside).map((entry) => [entry.ino, entry]));
    this.#connections = new UnixConnections(this.#entries, this.#outside, this.#origins, context.scope, this.#scaffold);
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
    return this.#connections.take(entry);
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
    this.#connections.make(this.#ours());
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

  /** After its queue is filled: then it takes messages of its peer alone. */
  #connectOutside(entry: UnixSkEntry): void {
    const socket = this.#connections.made(entry);
    const peer = this.#outside.get(entry.peer);
    if (socket !== undefined && peer !== undefined) connectOutside(socket, entry, peer);
  }

  /** Sends what waits, and connects datagram sockets. */
  #fillQueues(entries: readonly UnixSkEntry[]): void {
    const queues = this.context.once(RestoredQueues);
    const known = entries.flatMap((entry) => {
      const socket = this.#connections.made(entry);
      return socket === undefined ? [] : { entry, socket };
    });
    const senders = this.#scaffold.use(new Senders(known, this.context.log));
    const ofPeers = entries.map((entry) => {
      const messages = queues.of(entry.id);
      if (!this.#isMailbox(entry)) return { entry, messages };
      const isPeerMade = this.#connections.made({ ino: entry.peer }) !== undefined;
      const peer = isPeerMade ? this.#entries.get(entry.peer) : undefined;
      const count = countOfOthers(messages, peer);
      for (const message of messages.slice(0, count)) this.#mail(entry, senders.named(message.entry.sender), message);
      return { entry, messages: messages.slice(count) };
    });
    for (const entry of entries) if (isDgram(entry)) this.#connections.connectDgram(entry);
    for (const { entry, messages } of ofPeers) {
      const writer = this.#connections.writerTo(entry);
      if (writer === undefined) continue;
      for (const message of messages) {
        if (this.#isMailbox(entry)) this.#mail(entry, writer, message);
        else this.#send({ socket: writer }, message);
      }
    }
  }

  /** Takes datagrams of whoever knows its name. */
  #isMailbox(entry: UnixSkEntry): boolean {
    return isDgram(entry) && !this.#connections.isNamelessPair(entry);
  }

  #mail(entry: UnixSkEntry, socket: Fd, message: QueuedMessage): void {
    const send = () => this.#send({ socket, to: entry.name }, message);
    if (isPath(entry.name)) this.#connections.placeOf(entry).within(send);
    else send();
  }

  #send(sending: Sending, message: QueuedMessage): void {
    this.#connections.altered.add(sending.socket);
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
    const socket = this.#connections.made(entry);
    if (socket === undefined) return;
    const opts = entry.opts ?? missingOptions(entry);
    if (this.#connections.altered.has(socket) || !isAsUsual(opts, this.#usualOf(entry.type)))
      applySocketOptions(socket, opts);
    applyMoreOptions(socket, entry.moreOpts);
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

function missingOptions({ id }: UnixSkEntry): never {
  throw new RangeError(`unix socket ${id} has no options`);
}
