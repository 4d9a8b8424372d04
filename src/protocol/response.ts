// Responses as bytes: what a service writes and a client reads.
import { create, fromBinary, isFieldSet, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { StasisError } from "../report/error.js";
import { CriuReqType, type CriuResp, CriuRespSchema } from "./gen/rpc_pb.js";
import { wireFault } from "./wire.js";

/** CRIU's own limit for `cr_errmsg`, in bytes. */
export const MAX_ERRMSG_BYTES = 1023;

/** A response to send: `type` and `success` are always on the wire, other fields when given, false and 0 too. */
export type ResponseInit = Omit<MessageInitShape<typeof CriuRespSchema>, "$typeName"> & {
  readonly type: CriuReqType;
  readonly success: boolean;
};

export function encodeResponse({ crErrmsg, crErrno, ...rest }: ResponseInit): Uint8Array {
  const response = create(CriuRespSchema, rest);
  if (crErrno !== undefined && crErrno !== 0) response.crErrno = crErrno;
  if (crErrmsg !== undefined && crErrmsg !== "") response.crErrmsg = cut(crErrmsg, MAX_ERRMSG_BYTES);
  return toBinary(CriuRespSchema, response);
}

/** As much of `text` as fits into `limitBytes` of UTF-8, no character cut in two. */
export function cut(text: string, limitBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.byteLength <= limitBytes) return text;
  let end = limitBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

/** @throws StasisError PROTOCOL for what is no response */
export function decodeResponse(bytes: Uint8Array): CriuResp {
  const fault = wireFault(bytes, CriuRespSchema);
  if (fault === undefined) {
    const response = fromBinary(CriuRespSchema, bytes);
    if (isFieldSet(response, CriuRespSchema.field.type)) return response;
  }
  throw new StasisError({
    code: "PROTOCOL",
    doing: "read",
    subject: { kind: "host", what: "a response" },
    reason: fault ?? "it has no type",
  });
}

/**
 * What a process that dumped itself finds on its socket when it is restored: DUMP, success, `restored` true. Whoever restores the
 * socket queues these bytes on it.
 */
export const restoredSelfDump: Uint8Array = encodeResponse({
  type: CriuReqType.DUMP,
  success: true,
  dump: { restored: true },
});
