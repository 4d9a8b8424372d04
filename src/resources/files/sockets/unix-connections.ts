// How unix sockets are made again through each other: those that are bound, then connections over them. By whom: unix-origins.ts.
import type { SocketCredentials, UnixSkEntry } from "../../../images/format/entries.js";
import { AF_UNIX, SOCK, TCP_ESTABLISHED, TCP_LISTEN } from "../../../kernel/abi/socket.js";
import { prepared } from "../../../kernel/batch.js";
import { asFd, type Fd } from "../../../kernel/brand.js";
import { addressOfName } from "../../../kernel/messages.js";
import { closeAll, type OwnFd, own } from "../../../kernel/own-fd.js";
import type { Scope } from "../../../kernel/scope.js";
import { sys } from "../../../kernel/syscalls.js";
import { bindAgain, isPath, type Place, PrivatePlace, realPlace } from "./unix-name.js";
import type { Origins } from "./unix-origins.js";

export class UnixConnections {
  /** By inode number of the dumped socket. */
  readonly #made = new Map<number, Fd>();
  /** Ours until they are taken. */
  readonly #owned = new Map<number, OwnFd>();
  /** The ends through which queues are filled whose real other end is gone. */
  readonly #writers = new Map<number, Fd>();
  /** Deleted names: several sockets may have had the same one after another. */
  readonly #places = new Map<UnixSkEntry, PrivatePlace>();
  /** Sockets that may have something else than a new one by now. */
  readonly altered = new Set<Fd>();

  constructor(
    /** By inode number. */
    private readonly entries: ReadonlyMap<number, UnixSkEntry>,
    /** Sockets of other programs. */
    private readonly outside: ReadonlyMap<number, UnixSkEntry>,
    private readonly origins: Origins,
    /** What is made goes with the first one, what is only needed meanwhile with the second. */
    private readonly scope: Scope,
    private readonly scaffold: Scope,
  ) {}

  make(entries: readonly UnixSkEntry[]): void {
    for (const entry of entries) if (this.#standsAlone(entry)) this.#makeAlone(entry);
    this.#makePairs(entries.filter((entry) => this.#isPair(entry)));
    for (const entry of entries) if (!this.#made.has(entry.ino) && !this.#waits(entry)) this.#makeConnected(entry);
    for (const entry of entries) if (this.#waits(entry)) this.#makeWaiting(entry);
  }

  /** Ours, for as long as nobody has taken it. */
  made({ ino }: Pick<UnixSkEntry, "ino">): Fd | undefined {
    return this.#made.get(ino);
  }

  /** Gives it away. */
  take({ ino }: UnixSkEntry): Fd {
    const owned = this.#owned.get(ino);
    if (owned === undefined) throw new RangeError(`unix socket ${ino} was not made`);
    return owned.release();
  }

  /** By which its queue is filled. */
  writerTo({ ino, peer }: UnixSkEntry): Fd | undefined {
    return this.#writers.get(ino) ?? this.#made.get(peer);
  }

  /** Listening, without a connection, or a datagram socket or one that leads outside, whose connection is made afterwards. */
  #standsAlone(entry: UnixSkEntry): boolean {
    if (this.outside.has(entry.peer)) return true;
    return entry.state !== TCP_ESTABLISHED || (isDgram(entry) && !this.isNamelessPair(entry));
  }

  /** Of a pair that socketpair(2) made; the other end may be closed. */
  isNamelessPair(entry: UnixSkEntry): boolean {
    const peer = this.entries.get(entry.peer);
    const isPeerNameless = entry.peer === 0 || (peer?.peer === entry.ino && peer.name.byteLength === 0);
    return entry.name.byteLength === 0 && isPeerNameless;
  }

  /** Both ends are ours, and have no name. */
  #isPair(entry: UnixSkEntry): boolean {
    return !this.#standsAlone(entry) && !this.#waits(entry) && this.isNamelessPair(entry);
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
      set.pairs.push({ entry, fds: Int32Array.of(NONE, NONE) });
    }
    for (const { by, pairs } of sets.values()) {
      const calls = pairs.map(({ entry: { type }, fds }) =>
        prepared.socketpair(AF_UNIX, type | SOCK.SOCK_CLOEXEC, 0, new Uint8Array(fds.buffer)),
      );
      try {
        this.origins.callAs(by, calls);
      } catch (error) {
        closeAll(pairs.flatMap(({ fds }) => [...fds].filter((fd) => fd !== NONE).map(asFd)));
        throw error;
      }
      for (const { entry, fds } of pairs) this.#keepEnds(entry, asFd(fds[0] ?? NONE), asFd(fds[1] ?? NONE));
    }
  }

  #keepEnds(entry: UnixSkEntry, mine: Fd, theirs: Fd): void {
    const peer = this.entries.get(entry.peer);
    this.#keep(entry, mine);
    if (peer !== undefined) this.#keep(peer, theirs);
    else this.#writers.set(entry.ino, this.scaffold.use(own(theirs)).fd);
  }

  #makeAlone(entry: UnixSkEntry): void {
    const socket = this.#keep(entry, newSocket(entry.type));
    if (entry.name.byteLength > 0) bindAgain(socket, entry, this.placeOf(entry));
    if (entry.state === TCP_LISTEN)
      this.origins.callAs(entry.peerCredentials, [prepared.listen(socket, entry.backlog)]);
  }

  placeOf(entry: UnixSkEntry): Place {
    return entry.deleted && isPath(entry.name) ? this.#privatePlace(entry) : realPlace(entry.nameDir);
  }

  #privatePlace(entry: UnixSkEntry): PrivatePlace {
    const known = this.#places.get(entry);
    if (known !== undefined) return known;
    const place = this.scaffold.use(new PrivatePlace(entry.nameDir));
    this.#places.set(entry, place);
    return place;
  }

  /** Connected to a listening socket, and not accepted. */
  #waits({ state, peer, type }: UnixSkEntry): boolean {
    return state === TCP_ESTABLISHED && type !== SOCK.SOCK_DGRAM && this.entries.get(peer)?.state === TCP_LISTEN;
  }

  #makeWaiting(entry: UnixSkEntry): void {
    const listener = this.entries.get(entry.peer);
    if (listener === undefined) return;
    const socket = this.#keep(entry, newSocket(entry.type));
    if (entry.name.byteLength > 0) bindAgain(socket, entry, this.placeOf(entry));
    this.#connect(socket, listener);
  }

  /** Both ends of a connection, or the one that is left. The end with a name is the one that accept(2) gave. */
  #makeConnected(entry: UnixSkEntry): void {
    const peer = this.entries.get(entry.peer);
    const named = [entry, peer].filter((end) => end !== undefined && end.name.byteLength > 0);
    const accepted = named.find((end) => end !== undefined && this.#listenerOf(end) !== undefined) ?? named[0];
    if (accepted === undefined) {
      this.#makePairs([entry]);
      return;
    }
    const [first, second] = this.#meet(accepted, accepted === entry ? peer : entry);
    this.altered.add(first);
    if (accepted === entry) this.#keepEnds(entry, first, second);
    else this.#keepEnds(entry, second, first);
  }

  /** connect(2) and accept(2), so that the accepted end has the name of the socket that listens. */
  #meet(accepted: UnixSkEntry, client: UnixSkEntry | undefined): [Fd, Fd] {
    const listener = this.#listenerOf(accepted);
    using socket = own(newSocket(accepted.type));
    if (client !== undefined && client.name.byteLength > 0) bindAgain(socket.fd, client, this.placeOf(client));
    if (listener !== undefined) {
      const listening = this.#made.get(listener.ino) ?? asFd(NONE);
      this.#connect(socket.fd, listener, accepted.peerCredentials);
      return [sys.accept4(listening, null, null, SOCK.SOCK_CLOEXEC), socket.release()];
    }
    using standIn = own(newSocket(accepted.type));
    const place = isPath(accepted.name) ? this.#privatePlace(accepted) : realPlace("");
    bindAgain(standIn.fd, accepted, place);
    this.origins.callAs(client?.peerCredentials, [prepared.listen(standIn.fd, 1)]);
    place.within(() => this.#connectTo(socket.fd, accepted.name, accepted.peerCredentials));
    return [sys.accept4(standIn.fd, null, null, SOCK.SOCK_CLOEXEC), socket.release()];
  }

  #listenerOf(accepted: UnixSkEntry): UnixSkEntry | undefined {
    return [...this.entries.values()].find(
      ({ state, type, name }) =>
        state === TCP_LISTEN && type === accepted.type && Buffer.compare(name, accepted.name) === 0,
    );
  }

  #connect(socket: Fd, peer: UnixSkEntry, by?: SocketCredentials): void {
    const { name } = peer;
    if (isPath(name)) this.placeOf(peer).within(() => this.#connectTo(socket, name, by));
    else this.#connectTo(socket, name, by);
  }

  #connectTo(socket: Fd, name: Uint8Array, by: SocketCredentials | undefined): void {
    const { address, lengthBytes } = addressOfName(name);
    this.origins.callAs(by, [prepared.connect(socket, address, lengthBytes)]);
  }

  connectDgram(entry: UnixSkEntry): void {
    const socket = this.#made.get(entry.ino);
    const peer = this.entries.get(entry.peer);
    if (socket === undefined || peer === undefined || this.isNamelessPair(entry)) return;
    this.#connect(socket, peer);
  }

  #keep({ ino }: UnixSkEntry, socket: Fd): Fd {
    this.#made.set(ino, socket);
    this.#owned.set(ino, this.scope.use(own(socket)));
    return socket;
  }
}

/** In the place of a descriptor. */
const NONE = -1;

/** A connection to be made, and where its ends will be. */
interface Pair {
  readonly entry: UnixSkEntry;
  readonly fds: Int32Array;
}

export const isDgram = ({ type }: UnixSkEntry) => type === SOCK.SOCK_DGRAM;

export const newSocket = (type: number): Fd => sys.socket(AF_UNIX, type | SOCK.SOCK_CLOEXEC, 0);
