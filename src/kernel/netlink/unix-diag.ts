// What the kernel knows of a unix socket, by inode number: sock_diag(7), net/unix/diag.c.
import { AF_NETLINK, NETLINK_SOCK_DIAG, NLM_F_DUMP, NLMSG_ERROR, nlmsghdr } from "../abi/netlink.js";
import { SOCK_DIAG_BY_FAMILY, UDIAG_SHOW, UNIX_DIAG, unix_diag_msg, unix_diag_req } from "../abi/sock-diag.js";
import { AF_UNIX, SOCK } from "../abi/socket.js";
import { SyscallError } from "../errno.js";
import { own } from "../own-fd.js";
import { sys } from "../syscalls.js";
import { attributesIn, encodeMessage, errorIn, isEnd, messagesIn } from "./message.js";

const ANY_STATE = 0xffffffff;
/** ICONS is the largest attribute: 4 bytes a connection, of which there are at most net.core.somaxconn. */
const ANSWER_BYTES = 256 * 1024;

export interface UnixSocketState {
  /** TCP_ESTABLISHED, TCP_LISTEN or TCP_CLOSE. */
  readonly state: number;
  /** SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET. */
  readonly type: number;
  /** Empty when it is not bound; an abstract name begins with NUL. */
  readonly name: Uint8Array;
  /** Inode number of the socket that it is connected to; 0 when that one is closed, or was not accepted yet. Undefined: none. */
  readonly peer: number | undefined;
  /** Of a listening socket: the inode numbers of those that connected and were not accepted yet; 0 for one that has closed again. */
  readonly waiting: readonly number[];
  /** Bytes that wait to be read, or connections to be accepted. */
  readonly receiveQueue: number;
  /** Bytes that the other side has not read. */
  readonly sendQueue: number;
  /** RCV_SHUTDOWN 1, SEND_SHUTDOWN 2. */
  readonly shutdown: number;
}

/** So many are asked for one by one; then all that there are, which takes some 2 us each. */
const MOST_ALONE = 16;

/** Asks for one socket after the other. */
export class UnixDiag implements Disposable {
  readonly #netlink = own(sys.socket(AF_NETLINK, SOCK.SOCK_RAW | SOCK.SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  readonly #room = new Uint8Array(ANSWER_BYTES);
  #asked = 0;
  #all: ReadonlyMap<number, Uint8Array> | undefined;

  /** Of a socket that may change meanwhile. Undefined: no such socket in our network namespace. */
  stateNow(inode: number): UnixSocketState | undefined {
    this.#ask(inode, 0);
    const answer = this.#receive();
    if (nlmsghdr.decode(answer).nlmsg_type === NLMSG_ERROR) return undefined;
    return decodeAnswer(answer.subarray(nlmsghdr.sizeBytes));
  }

  /** Of a socket that nobody uses for as long as we ask. */
  state(inode: number): UnixSocketState | undefined {
    if (++this.#asked <= MOST_ALONE) return this.stateNow(inode);
    this.#all ??= this.#askAll();
    const answer = this.#all.get(inode);
    return answer === undefined ? this.stateNow(inode) : decodeAnswer(answer);
  }

  #askAll(): Map<number, Uint8Array> {
    const found = new Map<number, Uint8Array>();
    this.#ask(0, NLM_F_DUMP);
    for (let isOver = false; !isOver; )
      for (const message of messagesIn(this.#receive().slice())) {
        const failed = errorIn(message);
        if (failed !== undefined) throw new SyscallError("sock_diag", failed, []);
        isOver = isEnd(message);
        if (!isOver) found.set(unix_diag_msg.decode(message.body).udiag_ino, message.body);
      }
    return found;
  }

  #ask(inode: number, flags: number): void {
    const question = request(inode, flags);
    sys.write(this.#netlink.fd, question, question.byteLength);
  }

  #receive(): Uint8Array {
    return this.#room.subarray(0, sys.read(this.#netlink.fd, this.#room, ANSWER_BYTES));
  }

  [Symbol.dispose](): void {
    this.#netlink[Symbol.dispose]();
  }
}

const NONE = new Uint8Array();

/** The body of an answer: unix_diag_msg and its attributes. */
export function decodeAnswer(body: Uint8Array): UnixSocketState {
  const { udiag_state, udiag_type } = unix_diag_msg.decode(body);
  const attributes = attributesIn(body.subarray(unix_diag_msg.sizeBytes));
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  /** Undefined: the attribute is not there, or shorter. */
  const number = (type: number, index: number) => {
    const value = attributes.get(type);
    if (value === undefined || value.byteLength < (index + 1) * 4) return undefined;
    return view.getUint32(value.byteOffset - body.byteOffset + index * 4, true);
  };
  const waiting: number[] = [];
  for (let one = number(UNIX_DIAG.ICONS, 0); one !== undefined; one = number(UNIX_DIAG.ICONS, waiting.length))
    waiting.push(one);
  return {
    state: udiag_state,
    type: udiag_type,
    name: attributes.get(UNIX_DIAG.NAME)?.slice() ?? NONE,
    peer: number(UNIX_DIAG.PEER, 0),
    waiting,
    receiveQueue: number(UNIX_DIAG.RQLEN, 0) ?? 0,
    sendQueue: number(UNIX_DIAG.RQLEN, 1) ?? 0,
    shutdown: attributes.get(UNIX_DIAG.SHUTDOWN)?.[0] ?? 0,
  };
}

function request(inode: number, flags: number): Uint8Array {
  const body = unix_diag_req.encode({
    sdiag_family: AF_UNIX,
    sdiag_protocol: 0,
    udiag_states: ANY_STATE,
    udiag_ino: inode,
    udiag_show: UDIAG_SHOW.NAME | UDIAG_SHOW.PEER | UDIAG_SHOW.ICONS | UDIAG_SHOW.RQLEN,
  });
  // INET_DIAG_NOCOOKIE: both words of the cookie say that we do not know it.
  body.fill(0xff, 16, 24);
  return encodeMessage(SOCK_DIAG_BY_FAMILY, flags, body);
}
