// A TCP connection out of tcp-stream-INO.img: a new socket that is told, in repair mode, where the old one was. Nothing of it is sent, and the other
// side sees no more than a pause.
import type { InetSkEntry, TcpStreamEntry } from "../../../images/format/entries.js";
import { SOL_TCP } from "../../../kernel/abi/in.js";
import { SHUT_WR, SO_RCVBUFFORCE, SO_SNDBUFFORCE, SOL_SOCKET } from "../../../kernel/abi/socket.js";
import {
  TCP,
  TCP_QUEUE,
  TCP_REPAIR,
  TCP_STATE,
  TCPI_OPT,
  TCPOPT,
  tcp_repair_opt,
  tcp_repair_window,
} from "../../../kernel/abi/tcp.js";
import type { Fd } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { bindToAddress, connectToAddress, unmapped } from "../../../kernel/inet-address.js";
import { PASSING_MARK } from "../../../kernel/netlink/nftables.js";
import { setNonBlocking } from "../../../kernel/packets.js";
import { writeInteger, writeOption } from "../../../kernel/socket-options.js";
import { sys } from "../../../kernel/syscalls.js";
import { sendSegment, TH } from "../../../kernel/tcp-segment.js";
import { destinationOf, sourceOf } from "./inet-entry.js";
import { type Fins, finsOf } from "./tcp-fins.js";
import type { TcpStream } from "./tcp-stream.js";

/** The kernel doubles what it is told. */
const LARGEST_BUFFER_BYTES = 0x3fffffff;
const HIGHEST_WINDOW = 0xffff;

const set = (socket: Fd, name: number, value: number) => writeInteger(socket, SOL_TCP, name, value);
/** Sequence numbers wrap around. */
const wrapped = (sequence: number) => sequence >>> 0;

/** Where the queues end, FINs not counted. */
interface Place {
  readonly received: number;
  readonly sent: number;
}

/** Leaves the socket in repair mode. */
export function buildConnection(socket: Fd, entry: InetSkEntry, stream: TcpStream): void {
  const fins = finsOf(entry.state);
  const { inqSeq, outqSeq } = stream.entry;
  const place = { received: inqSeq - Number(fins.theirs), sent: outqSeq - Number(fins.ours !== "none") };
  writeInteger(socket, SOL_SOCKET, SO_SNDBUFFORCE, LARGEST_BUFFER_BYTES);
  writeInteger(socket, SOL_SOCKET, SO_RCVBUFFORCE, LARGEST_BUFFER_BYTES);
  setNonBlocking(socket);
  set(socket, TCP.REPAIR, TCP_REPAIR.ON);
  connect(socket, entry, stream, place);
  fillReceived(socket, stream.received);
  fillSent(socket, stream);
  setWindow(socket, stream.entry, fins);
  setFins(socket, entry, stream.entry, place);
}

/** The state becomes TCP_ESTABLISHED at once: nothing is sent for it. Of a SYN that is on its way (TCP_SYN_SENT) another one goes out. */
function connect(socket: Fd, entry: InetSkEntry, { entry: stream, received, sent }: TcpStream, place: Place): void {
  bindToAddress(socket, sourceOf(entry));
  const isOnItsWay = entry.state === TCP_STATE.SYN_SENT;
  setSequence(socket, TCP_QUEUE.RECV, place.received - received.byteLength);
  setSequence(socket, TCP_QUEUE.SEND, place.sent - sent.byteLength - Number(isOnItsWay));
  if (isOnItsWay) set(socket, TCP.REPAIR, TCP_REPAIR.OFF_NO_WP);
  unless("EINPROGRESS", () => connectToAddress(socket, destinationOf(entry)));
  if (isOnItsWay) set(socket, TCP.REPAIR, TCP_REPAIR.ON);
  else writeOption(socket, SOL_TCP, TCP.REPAIR_OPTIONS, agreedOptions(stream));
  if ((stream.optMask & TCPI_OPT.TCPI_OPT_TIMESTAMPS) !== 0) set(socket, TCP.TIMESTAMP, stream.timestamp | 0);
}

function setSequence(socket: Fd, queue: number, sequence: number): void {
  set(socket, TCP.REPAIR_QUEUE, queue);
  set(socket, TCP.QUEUE_SEQ, sequence | 0);
}

/** What the two ends agreed on in their first segments. */
function agreedOptions({ optMask, sndWscale, rcvWscale, mssClamp }: TcpStreamEntry): Uint8Array {
  const has = (bit: number) => (optMask & bit) !== 0;
  const option = (opt_code: number, opt_val: number) => tcp_repair_opt.encode({ opt_code, opt_val });
  return Buffer.concat([
    ...(has(TCPI_OPT.TCPI_OPT_SACK) ? [option(TCPOPT.SACK_PERM, 0)] : []),
    ...(has(TCPI_OPT.TCPI_OPT_WSCALE) ? [option(TCPOPT.WINDOW, sndWscale | (rcvWscale << 16))] : []),
    ...(has(TCPI_OPT.TCPI_OPT_TIMESTAMPS) ? [option(TCPOPT.TIMESTAMP, 0)] : []),
    option(TCPOPT.MSS, mssClamp),
  ]);
}

function fillReceived(socket: Fd, data: Uint8Array): void {
  if (data.byteLength === 0) return;
  set(socket, TCP.REPAIR_QUEUE, TCP_QUEUE.RECV);
  sendAll(socket, data);
}

/** What was sent counts as sent, and is sent again when it is not acknowledged; what was not goes in as from the program. */
function fillSent(socket: Fd, { entry: { unsqLen }, sent }: TcpStream): void {
  const border = sent.byteLength - unsqLen;
  if (border > 0) {
    set(socket, TCP.REPAIR_QUEUE, TCP_QUEUE.SEND);
    sendAll(socket, sent.subarray(0, border));
  }
  if (unsqLen === 0) return;
  set(socket, TCP.REPAIR, TCP_REPAIR.OFF_NO_WP);
  sendAll(socket, sent.subarray(border));
  set(socket, TCP.REPAIR, TCP_REPAIR.ON);
}

/** The kernel takes one buffer of a piece, and has not always one that large. */
function sendAll(socket: Fd, data: Uint8Array): void {
  const SMALLEST = 1024;
  let atOnce = data.byteLength;
  for (let at = 0; at < data.byteLength; ) {
    const piece = data.subarray(at, at + atOnce);
    const sent =
      atOnce > SMALLEST
        ? unless(["ENOMEM", "ENOBUFS"], () => sys.sendto(socket, piece, piece.byteLength, 0, null, 0))
        : sys.sendto(socket, piece, piece.byteLength, 0, null, 0);
    if (sent === undefined) atOnce >>= 1;
    else at += sent;
  }
}

/** A FIN of theirs that comes below takes one from the window. */
function setWindow(socket: Fd, stream: TcpStreamEntry, { theirs }: Fins): void {
  const { sndWl1, sndWnd, maxWindow, rcvWnd, rcvWup } = stream;
  if (maxWindow === 0 && rcvWnd === 0) return; // images of before kernel 4.8
  const fin = Number(theirs);
  const window = tcp_repair_window.encode({
    snd_wl1: sndWl1,
    snd_wnd: sndWnd,
    max_window: maxWindow,
    rcv_wnd: rcvWnd + fin,
    rcv_wup: wrapped(rcvWup - fin),
  });
  writeOption(socket, SOL_TCP, TCP.REPAIR_WINDOW, window);
}

/** Ours by shutdown(2), theirs and their answer to ours by segments that we send to ourselves in their name. */
function setFins(socket: Fd, entry: InetSkEntry, stream: TcpStreamEntry, { received, sent }: Place): void {
  const fins = finsOf(entry.state);
  const [from, to] = [unmapped(destinationOf(entry)), unmapped(sourceOf(entry))];
  const window = Math.min(HIGHEST_WINDOW, stream.sndWnd >>> stream.sndWscale);
  const segment = (sequence: number, acknowledged: number, flags: number) =>
    sendSegment(
      { from, to, sequence: wrapped(sequence), acknowledged: wrapped(acknowledged), flags, window },
      PASSING_MARK,
    );
  const acknowledged = sent - stream.outqLen;
  if (fins.ours !== "none" && fins.first === "ours") sendFin(socket, fins);
  if (fins.theirs) segment(received, acknowledged, TH.FIN | TH.ACK);
  if (fins.ours !== "none" && fins.first === "theirs") sendFin(socket, fins);
  if (fins.ours === "acknowledged") segment(received + Number(fins.theirs), sent + 1, TH.ACK);
}

/** With the send queue under repair the FIN counts as sent; it can be acknowledged only then. */
function sendFin(socket: Fd, { ours }: Fins): void {
  set(socket, TCP.REPAIR_QUEUE, ours === "acknowledged" ? TCP_QUEUE.SEND : TCP_QUEUE.NO);
  sys.shutdown(socket, SHUT_WR);
  set(socket, TCP.REPAIR_QUEUE, TCP_QUEUE.NO);
}
