// Where a TCP socket is in its life, asked without disturbing it: TCP_INFO and poll(2).
import { SkShutdown } from "../../../images/format/entries.js";
import { SOL_TCP } from "../../../kernel/abi/in.js";
import { POLL, pollfd, type SocketOption } from "../../../kernel/abi/socket.js";
import { TCP, TCP_STATE, tcp_info } from "../../../kernel/abi/tcp.js";
import type { AskedOptions } from "../../../kernel/asked-options.js";
import type { Fd } from "../../../kernel/brand.js";
import { sys } from "../../../kernel/syscalls.js";
import type { DumpOptions } from "../../../options/views.js";
import type { Subject } from "../../../report/error.js";
import type { OpenFile } from "../../kind.js";
import { refuseFile } from "../refuse.js";

export interface TcpState {
  /** TCP_STATE. */
  readonly state: number;
  readonly backlog: number;
  readonly shutdown: SkShutdown;
}

/** What is asked of a socket. */
export const tcpState: readonly SocketOption[] = [
  { level: SOL_TCP, name: TCP.INFO, sizeBytes: tcp_info.sizeBytes },
  { level: SOL_TCP, name: TCP.ULP, sizeBytes: 16 },
];

/** States in which our side has sent its FIN. */
const SENT_FIN: readonly number[] = [TCP_STATE.FIN_WAIT1, TCP_STATE.FIN_WAIT2, TCP_STATE.CLOSING, TCP_STATE.LAST_ACK];

/** `asked`: the answers to `tcpState`. Refuses what cannot be carried over in any case; connections that need an option are refused by who reads them. */
export function collectTcpState(file: OpenFile, asked: AskedOptions, options: DumpOptions): TcpState {
  const { duplicate, subject } = file;
  const info = tcp_info.decode(asked.value(0) ?? new Uint8Array());
  const state = info.tcpi_state;
  const isListening = state === TCP_STATE.LISTEN;
  if (isListening && info.tcpi_unacked > 0 && !options.skipInFlight)
    throw refuseFile(
      subject,
      `${info.tcpi_unacked} connections wait to be accepted`,
      "have the program accept them, or pass --skip-in-flight to have them dropped",
    );
  checkUpperLayer(asked.value(1), subject);
  return {
    state,
    backlog: isListening ? info.tcpi_sacked : 0,
    shutdown: isListening ? SkShutdown.NONE : shutdownOf(duplicate, state),
  };
}

/** TCP_ULP: TLS in the kernel, whose keys and counters belong to the connection. */
function checkUpperLayer(name: Uint8Array | undefined, subject: Subject): void {
  if (name === undefined || name.byteLength === 0 || name[0] === 0) return;
  const shown = Buffer.from(name).toString("latin1").replace(/\0.*$/s, "");
  throw refuseFile(
    subject,
    `it has the upper layer protocol ${JSON.stringify(shown)} (TCP_ULP), which is not supported`,
    "have the program do this work itself",
  );
}

function shutdownOf(socket: Fd, state: number): SkShutdown {
  const events = pollfd.encode({ fd: socket, events: POLL.POLLRDHUP, revents: 0 });
  sys.poll(events, 1, 0);
  const read = (pollfd.decode(events).revents & POLL.POLLRDHUP) !== 0;
  const write = SENT_FIN.includes(state);
  if (read && write) return SkShutdown.BOTH;
  return read ? SkShutdown.READ : write ? SkShutdown.WRITE : SkShutdown.NONE;
}
