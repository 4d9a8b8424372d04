// Messages of netlink(7): a head, a body, attributes.
import { NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, nlattr, nlmsghdr } from "../abi/netlink.js";

/** Attributes and messages begin at multiples of 4. */
const aligned = (lengthBytes: number) => (lengthBytes + 3) & ~3;

export function encodeMessage(type: number, flags: number, body: Uint8Array, sequence = 1): Uint8Array {
  const message = new Uint8Array(aligned(nlmsghdr.sizeBytes + body.byteLength));
  message.set(
    nlmsghdr.encode({
      nlmsg_len: nlmsghdr.sizeBytes + body.byteLength,
      nlmsg_type: type,
      nlmsg_flags: NLM_F_REQUEST | flags,
      nlmsg_seq: sequence,
      nlmsg_pid: 0,
    }),
  );
  message.set(body, nlmsghdr.sizeBytes);
  return message;
}

export interface NetlinkMessage {
  readonly type: number;
  readonly sequence: number;
  readonly body: Uint8Array;
}

/** The messages in what one recv(2) gave; bytes that are none end it. */
export function* messagesIn(bytes: Uint8Array): Generator<NetlinkMessage> {
  for (let at = 0; at + nlmsghdr.sizeBytes <= bytes.byteLength; ) {
    const { nlmsg_len, nlmsg_type, nlmsg_seq } = nlmsghdr.decode(bytes.subarray(at));
    if (nlmsg_len < nlmsghdr.sizeBytes) return;
    yield { type: nlmsg_type, sequence: nlmsg_seq, body: bytes.subarray(at + nlmsghdr.sizeBytes, at + nlmsg_len) };
    at += aligned(nlmsg_len);
  }
}

/** Of an NLMSG_ERROR: the errno, 0 for an acknowledgement. Undefined: another message. */
export function errorIn({ type, body }: NetlinkMessage): number | undefined {
  if (type !== NLMSG_ERROR || body.byteLength < 4) return undefined;
  return -new DataView(body.buffer, body.byteOffset).getInt32(0, true);
}
export const isEnd = ({ type }: NetlinkMessage): boolean => type === NLMSG_DONE;

/** An attribute, filled up to a multiple of 4. */
export function encodeAttribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(aligned(nlattr.sizeBytes + value.byteLength));
  bytes.set(nlattr.encode({ nla_len: nlattr.sizeBytes + value.byteLength, nla_type: type }));
  bytes.set(value, nlattr.sizeBytes);
  return bytes;
}

/** By type; the last of several with one type. */
export function attributesIn(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (let at = 0; at + nlattr.sizeBytes <= bytes.byteLength; ) {
    const { nla_len, nla_type } = nlattr.decode(bytes.subarray(at));
    if (nla_len < nlattr.sizeBytes) return found;
    found.set(nla_type, bytes.subarray(at + nlattr.sizeBytes, at + nla_len));
    at += aligned(nla_len);
  }
  return found;
}
