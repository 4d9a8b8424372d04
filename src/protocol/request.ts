// Requests as bytes: what a client writes and a service reads. Nothing in the bytes is trusted.
import { fromBinary, isFieldSet, toBinary } from "@bufbuild/protobuf";
import { StasisError } from "../report/error.js";
import { type CriuReq, CriuReqSchema } from "./gen/rpc_pb.js";
import { tag39Fault } from "./tag-39.js";
import { wireFault } from "./wire.js";

/**
 * @throws StasisError PROTOCOL for what is no request: not protobuf, a known field of another wire type, no `type`. Unknown fields are
 * passed over; an unknown `type` is a number that no request has.
 */
export function decodeRequest(bytes: Uint8Array): CriuReq {
  refuse(wireFault(bytes, CriuReqSchema));
  const request = fromBinary(CriuReqSchema, bytes);
  if (request.opts !== undefined) refuse(tag39Fault(request.opts));
  if (!isFieldSet(request, CriuReqSchema.field.type)) refuse("it has no type");
  return request;
}

export const encodeRequest = (request: CriuReq): Uint8Array => toBinary(CriuReqSchema, request);

function refuse(reason: string | undefined): void {
  if (reason === undefined) return;
  throw new StasisError({ code: "PROTOCOL", doing: "read", subject: { kind: "host", what: "a request" }, reason });
}
