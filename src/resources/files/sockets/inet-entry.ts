// Addresses in InetSkEntry: words of 32 bits as they lie in memory, one for IPv4 and four for IPv6.
import type { InetSkEntry } from "../../../images/format/entries.js";
import { AF_INET6, IPPROTO } from "../../../kernel/abi/in.js";
import { SOCK } from "../../../kernel/abi/socket.js";
import { TCP_STATE } from "../../../kernel/abi/tcp.js";
import type { InetAddress } from "../../../kernel/inet-address.js";

export function wordsOf({ bytes }: InetAddress): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words: number[] = [];
  for (let at = 0; at < bytes.byteLength; at += 4) words.push(view.getUint32(at, true));
  return words;
}

/** Preconditions: the address has as many words as its family needs; validated. CRIU 0.1 wrote four for IPv4 too. */
function addressIn(family: number, words: readonly number[], port: number): InetAddress {
  const wanted = words.slice(0, wordCount(family));
  return { bytes: new Uint8Array(Uint32Array.from(wanted).buffer), port, scope: 0 };
}
export const wordCount = (family: number): number => (family === AF_INET6 ? 4 : 1);

export const sourceOf = ({ family, srcAddr, srcPort }: InetSkEntry): InetAddress => addressIn(family, srcAddr, srcPort);
export const destinationOf = ({ family, dstAddr, dstPort }: InetSkEntry): InetAddress =>
  addressIn(family, dstAddr, dstPort);

/** A TCP socket that is, or was, connected. */
export const isConnection = ({ type, proto, state, dstPort }: InetSkEntry): boolean =>
  type === SOCK.SOCK_STREAM && proto === IPPROTO.TCP && state !== TCP_STATE.LISTEN && dstPort !== 0;
