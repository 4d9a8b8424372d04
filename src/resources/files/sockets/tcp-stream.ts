// A TCP connection into tcp-stream-INO.img: what the kernel tells of it in repair mode, and its queues. Documentation: net/ipv4/tcp.c, TCP_REPAIR.
//
// Repair mode changes what the socket does, and belongs to the socket, not to us: one that is left in it does not talk any more. So it is
// on for the few microseconds of one list of calls, which is finished even when we are killed (kernel/apart.ts). Preconditions: the program is
// stopped and the network is closed to the connection, so that nothing moves.
import { create } from "@bufbuild/protobuf";
import { type InetSkEntry, type TcpStreamEntry, TcpStreamEntrySchema } from "../../../images/format/entries.js";
import { SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SOL_TCP } from "../../../kernel/abi/in.js";
import { MSG, POLL, pollfd, SO_PEEK_OFF, SO_REUSEADDR, SOL_SOCKET } from "../../../kernel/abi/socket.js";
import {
  TCP,
  TCP_QUEUE,
  TCP_REPAIR,
  TCP_STATE,
  TCPI_OPT,
  tcp_info,
  tcp_repair_window,
} from "../../../kernel/abi/tcp.js";
import { runApart } from "../../../kernel/apart.js";
import { failureOf, type PreparedCall, prepared } from "../../../kernel/batch.js";
import type { Fd } from "../../../kernel/brand.js";
import type { SyscallError } from "../../../kernel/errno.js";
import { integerBytes, integerIn, readInteger, readOption, writeInteger } from "../../../kernel/socket-options.js";
import { sys } from "../../../kernel/syscalls.js";
import { StasisError, type Subject } from "../../../report/error.js";
import { refuseFile } from "../refuse.js";
import { finsOf } from "./tcp-fins.js";

export interface TcpStream {
  readonly entry: TcpStreamEntry;
  readonly received: Uint8Array;
  /** Sent and not acknowledged, then what was not sent yet. */
  readonly sent: Uint8Array;
}

export interface ConnectionFile {
  readonly socket: Fd;
  readonly entry: InetSkEntry;
  readonly subject: Subject;
}

export function readStream({ socket, entry, subject }: ConnectionFile): TcpStream {
  checkUrgent(socket, subject);
  const info = tcp_info.decode(readOption(socket, { level: SOL_TCP, name: TCP.INFO, sizeBytes: tcp_info.sizeBytes }));
  const lengths = queueLengths(socket, info.tcpi_state);
  const received = peekReceived(socket, lengths.received, subject);
  const repair = readInRepair(socket, lengths.sent, { entry, subject });
  const stream = create(TcpStreamEntrySchema, {
    inqLen: lengths.received,
    inqSeq: repair.receivedTo,
    outqLen: lengths.sent,
    outqSeq: repair.sentTo,
    unsqLen: lengths.unsent,
    optMask: info.tcpi_options,
    sndWscale: 0,
    mssClamp: repair.mss,
    ...windowFields(repair.window),
  });
  if ((info.tcpi_options & TCPI_OPT.TCPI_OPT_WSCALE) !== 0) {
    stream.sndWscale = info.tcpi_wscale & 0xf;
    stream.rcvWscale = info.tcpi_wscale >> 4;
  }
  if ((info.tcpi_options & TCPI_OPT.TCPI_OPT_TIMESTAMPS) !== 0)
    stream.timestamp = readInteger(socket, SOL_TCP, TCP.TIMESTAMP) >>> 0;
  return { entry: stream, received, sent: repair.sent };
}

const windowFields = ({
  snd_wl1,
  snd_wnd,
  max_window,
  rcv_wnd,
  rcv_wup,
}: ReturnType<typeof tcp_repair_window.decode>) => ({
  sndWl1: snd_wl1,
  sndWnd: snd_wnd,
  maxWindow: max_window,
  rcvWnd: rcv_wnd,
  rcvWup: rcv_wup,
});

/** POLLPRI: data that was sent out of band waits, for whose place there is no field. */
function checkUrgent(socket: Fd, subject: Subject): void {
  const events = pollfd.encode({ fd: socket, events: POLL.POLLPRI, revents: 0 });
  sys.poll(events, 1, 0);
  if ((pollfd.decode(events).revents & POLL.POLLPRI) !== 0)
    throw refuseFile(subject, "urgent data (MSG_OOB) waits to be read", "have the program read it");
}

/** In bytes, without FINs. */
function queueLengths(socket: Fd, state: number): { received: number; sent: number; unsent: number } {
  const ask = (request: number) => {
    const answer = new Uint8Array(4);
    sys.ioctl(socket, request, answer);
    return integerIn(answer);
  };
  const received = ask(SIOCINQ);
  // What a connection that was reset did not send is lost for the program as well.
  if (state === TCP_STATE.CLOSE) return { received, sent: 0, unsent: 0 };
  const fin = finsOf(state).ours === "none" ? 0 : 1;
  return { received, sent: Math.max(0, ask(SIOCOUTQ) - fin), unsent: Math.max(0, ask(SIOCOUTQNSD) - fin) };
}

/** What waits to be read; that takes no repair mode. */
function peekReceived(socket: Fd, lengthBytes: number, subject: Subject): Uint8Array {
  const data = new Uint8Array(lengthBytes);
  if (lengthBytes === 0) return data;
  const place = readInteger(socket, SOL_SOCKET, SO_PEEK_OFF);
  if (place >= 0) writeInteger(socket, SOL_SOCKET, SO_PEEK_OFF, -1);
  try {
    const got = sys.recvfrom(socket, data, lengthBytes, MSG.MSG_PEEK | MSG.MSG_DONTWAIT, null, null);
    if (got !== lengthBytes) throw moved(subject, `${got} bytes of ${lengthBytes} that wait can be seen`);
  } finally {
    if (place >= 0) writeInteger(socket, SOL_SOCKET, SO_PEEK_OFF, place);
  }
  return data;
}

const word = () => new Uint8Array(4);
const lengthWord = (sizeBytes: number) => integerBytes(sizeBytes);

/** A list of calls between repair mode on and off; turning it off takes SO_REUSEADDR with it. */
function readInRepair(socket: Fd, sentBytes: number, { entry, subject }: Omit<ConnectionFile, "socket">) {
  const set = (level: number, name: number, value: number) =>
    prepared.setsockopt(socket, level, name, integerBytes(value), 4);
  const get = (name: number, to: Uint8Array) =>
    prepared.getsockopt(socket, SOL_TCP, name, to, lengthWord(to.byteLength));
  const [receivedTo, sentTo, mss, window] = [word(), word(), word(), new Uint8Array(tcp_repair_window.sizeBytes)];
  // One byte more than there should be tells when there is more.
  const sent = new Uint8Array(sentBytes + 1);
  const peek = prepared.recvfrom(socket, sent, sent.byteLength, MSG.MSG_PEEK | MSG.MSG_DONTWAIT, null, null);
  const calls = [
    set(SOL_TCP, TCP.REPAIR, TCP_REPAIR.ON),
    set(SOL_TCP, TCP.REPAIR_QUEUE, TCP_QUEUE.RECV),
    get(TCP.QUEUE_SEQ, receivedTo),
    set(SOL_TCP, TCP.REPAIR_QUEUE, TCP_QUEUE.SEND),
    get(TCP.QUEUE_SEQ, sentTo),
    get(TCP.MAXSEG, mss),
    get(TCP.REPAIR_WINDOW, window),
    ...(sentBytes > 0 ? [peek] : []),
    set(SOL_TCP, TCP.REPAIR, TCP_REPAIR.OFF_NO_WP),
    set(SOL_SOCKET, SO_REUSEADDR, Number(entry.opts?.reuseaddr ?? false)),
  ];
  const results = runApart(calls);
  checkAll(calls, results, subject);
  const got = results[calls.indexOf(peek)];
  if (got !== undefined && got !== BigInt(sentBytes))
    throw moved(subject, `${got} bytes of ${sentBytes} that were sent can be seen`);
  return {
    receivedTo: integerIn(receivedTo) >>> 0,
    sentTo: integerIn(sentTo) >>> 0,
    mss: integerIn(mss) >>> 0,
    window: tcp_repair_window.decode(window),
    sent: sent.subarray(0, sentBytes),
  };
}

function checkAll(calls: readonly PreparedCall[], results: readonly bigint[], subject: Subject): void {
  const failures = calls.map((call, index) => failureOf(call, results[index] ?? 0n));
  const [failure] = failures.filter((one): one is SyscallError => one !== undefined);
  if (failure !== undefined) throw moved(subject, `TCP_REPAIR: ${failure.message}`);
}

function moved(subject: Subject, reason: string): StasisError {
  return new StasisError({ code: "KERNEL_REFUSED", doing: "read the TCP connection", subject, reason });
}
