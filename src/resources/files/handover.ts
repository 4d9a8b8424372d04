// Descriptors of ours for a task whose table is empty. The kernel gives each the lowest free number, so all are known beforehand: in ascending order
// those of the numbers from 0 on, but for one that leads to us. A few are fetched with pidfd_getfd(2), two calls each; many come in messages of
// SCM_RIGHTS, unix(7), 253 at a time: of ten thousand that takes a tenth of the time.
import { F_DUPFD, F_GETFD } from "../../kernel/abi/fcntl.js";
import { cmsghdr, iovec, user_msghdr } from "../../kernel/abi/socket.js";
import { type Address, asAddress, asPid, asTargetFd, type Fd, type TargetFd } from "../../kernel/brand.js";
import { unless } from "../../kernel/errno.js";
import { MOST_FDS } from "../../kernel/messages.js";
import { newSocketPair, sendPacket } from "../../kernel/packets.js";
import type { Scope } from "../../kernel/scope.js";
import type { Inside } from "../../tracee/inside.js";
import { expecting, remote } from "../../tracee/program.js";

/** From so many on they come in messages. */
const MANY = 64;
/** Unix sockets that are in so many messages at a time have the kernel look for garbage: net/unix/garbage.c, UNIX_INFLIGHT_SANE_USER. */
const MESSAGES_AT_A_TIME = 8;

export interface HandedOver {
  /** The numbers that they have. */
  readonly numbers: readonly TargetFd[];
  readonly isCloexec: boolean;
}

/**
 * Puts off what has the task get them. `free`: a number that is none of theirs. `scope` is given back when the task has made its calls.
 */
export function handOver(inside: Inside, ours: readonly Fd[], free: number, scope: Scope): HandedOver {
  const numbers = lowestBut(free, ours.length);
  const isFew = ours.length < MANY;
  if (isFew) fetchEach(inside, ours, numbers, free);
  else receiveAll(inside, ours, numbers, { free, scope });
  inside.later(remote.close(asTargetFd(free)));
  return { numbers, isCloexec: isFew };
}

function lowestBut(free: number, count: number): TargetFd[] {
  return Array.from({ length: count }, (_, index) => asTargetFd(index < free ? index : index + 1));
}

function fetchEach(inside: Inside, ours: readonly Fd[], numbers: readonly TargetFd[], free: number): void {
  const first = asTargetFd(0);
  inside.later(expecting(remote.pidfd_open(process.pid, 0), 0n));
  if (free !== 0) {
    inside.later(expecting(remote.fcntlDupFd(first, F_DUPFD, free), BigInt(free)));
    inside.later(remote.close(first));
  }
  for (const [index, fd] of ours.entries())
    inside.later(expecting(remote.pidfd_getfd(asTargetFd(free), asTargetFd(fd), 0), BigInt(numbers[index] ?? -1)));
}

function receiveAll(
  inside: Inside,
  ours: readonly Fd[],
  numbers: readonly TargetFd[],
  { free, scope }: { readonly free: number; readonly scope: Scope },
): void {
  const pair = newSocketPair();
  const [{ fd: sending }, { fd: receiving }] = [scope.use(pair[0]), scope.use(pair[1])];
  fetchTo(inside, receiving, free);
  let waiting = 0;
  for (let from = 0; from < ours.length; from += MOST_FDS) {
    const fds = ours.slice(from, from + MOST_FDS);
    if (++waiting > MESSAGES_AT_A_TIME) {
      inside.flush();
      waiting = 1;
    }
    // Somebody who may not have so many on their way: unix(7), ETOOMANYREFS.
    const isSent = unless("ETOOMANYREFS", () => sendPacket(sending, ONE_BYTE, { fds }) ?? true);
    if (isSent === undefined) {
      inside.flush();
      sendPacket(sending, ONE_BYTE, { fds });
    }
    receive(inside, asTargetFd(free), fds.length);
    // Descriptors for which there is no room are left out without an error.
    const last = numbers[from + fds.length - 1] ?? asTargetFd(-1);
    inside.later(expecting(remote.fcntlGetFd(last, F_GETFD), 0n));
  }
}
const ONE_BYTE = new Uint8Array(1);

/** One of ours, to that number. */
function fetchTo(inside: Inside, ours: Fd, number: number): void {
  const [us, got] = [asTargetFd(0), asTargetFd(1)];
  inside.later(expecting(remote.pidfd_open(process.pid, 0), BigInt(us)));
  inside.later(expecting(remote.pidfd_getfd(us, asTargetFd(ours), 0), BigInt(got)));
  if (number === us) inside.later(remote.dup3(got, us, 0));
  if (number > got) inside.later(expecting(remote.fcntlDupFd(got, F_DUPFD, number), BigInt(number)));
  if (number !== us) inside.later(remote.close(us));
  if (number !== got) inside.later(remote.close(got));
}

/** recvmsg(2) of a message with so many descriptors; its header points at what lies behind it. */
function receive(inside: Inside, socket: TargetFd, count: number): void {
  const controlBytes = cmsghdr.sizeBytes + Math.ceil((count * FD_BYTES) / 8) * 8;
  inside.laterAt(CONTROL + controlBytes, (at) => ({
    bytes: headerAt(at, controlBytes),
    call: expecting(remote.recvmsg(socket, at, 0), 1n),
  }));
}
const FD_BYTES = 4;
const RANGES = 64;
const DATA = 80;
const CONTROL = 96;

function headerAt(at: Address, controlBytes: number): Uint8Array {
  const bytes = new Uint8Array(CONTROL);
  bytes.set(
    user_msghdr.encode({
      msg_name: 0n,
      msg_namelen: 0,
      msg_iov: at + BigInt(RANGES),
      msg_iovlen: 1n,
      msg_control: at + BigInt(CONTROL),
      msg_controllen: BigInt(controlBytes),
      msg_flags: 0,
    }),
  );
  bytes.set(iovec.encode({ iov_base: asAddress(at + BigInt(DATA)), iov_len: 1n }), RANGES);
  return bytes;
}

/** Calls `use` with a descriptor that stands for us, at a number that is free. */
export function withEngine<T>(inside: Inside, free: number, use: (engine: TargetFd) => T): T {
  const first = inside.sys.pidfd_open(asPid(process.pid), 0);
  const engine = first === free ? first : inside.sys.fcntlDupFd(first, F_DUPFD, free);
  if (first !== engine) inside.sys.close(first);
  const result = use(engine);
  inside.sys.close(engine);
  return result;
}
