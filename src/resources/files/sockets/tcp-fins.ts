// Which ends of a TCP connection have said that nothing more will come (FIN), by its state: RFC 9293, 3.3.2. A FIN takes a place in the sequence
// numbers, and none in the queues.
import { TCP_STATE } from "../../../kernel/abi/tcp.js";

export interface Fins {
  /** "acknowledged": and the other side knows. */
  readonly ours: "none" | "sent" | "acknowledged";
  readonly theirs: boolean;
  /** Whose came first. */
  readonly first: "ours" | "theirs";
}

const fins: Readonly<Record<number, Fins>> = {
  [TCP_STATE.FIN_WAIT1]: { ours: "sent", theirs: false, first: "ours" },
  [TCP_STATE.FIN_WAIT2]: { ours: "acknowledged", theirs: false, first: "ours" },
  [TCP_STATE.CLOSING]: { ours: "sent", theirs: true, first: "ours" },
  [TCP_STATE.CLOSE_WAIT]: { ours: "none", theirs: true, first: "theirs" },
  [TCP_STATE.LAST_ACK]: { ours: "sent", theirs: true, first: "theirs" },
  [TCP_STATE.CLOSE]: { ours: "acknowledged", theirs: true, first: "theirs" },
};
const NONE: Fins = { ours: "none", theirs: false, first: "ours" };
export const finsOf = (state: number): Fins => fins[state] ?? NONE;

const known: readonly number[] = [TCP_STATE.ESTABLISHED, TCP_STATE.SYN_SENT, ...Object.keys(fins).map(Number)];
/** States of connections that can be read and built. */
export const isRepairable = (state: number): boolean => known.includes(state);
