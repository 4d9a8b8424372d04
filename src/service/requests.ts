// Every type of request, once: what handles it, or why it is refused.
import { CriuReqType } from "../protocol/gen/rpc_pb.js";
import type { ResponseInit } from "../protocol/response.js";
import { StasisError } from "../report/error.js";
import { handleProcessor } from "./cpuinfo.js";
import { handleDump } from "./dump.js";
import { handleCheck, handleFeatureCheck, handleVersion } from "./inquiries.js";
import { handleRestore } from "./restore.js";
import type { Handler } from "./session.js";
import { handleWait } from "./wait.js";

export interface RequestType {
  readonly handle: Handler;
  /** The type of the answer. */
  readonly answer: CriuReqType;
  /** Whether the client may ask for the connection to stay open. Elsewhere CRIU closes it without a word, and so do we. */
  readonly keepOpen: boolean;
  /** What swrk exits with after a failure of it that was answered. */
  readonly failure: number;
}

const PROTOCOL_STATUS = 255;
const steps = ["dumps in several steps are not supported yet", "use DUMP"] as const;
const pageServers = ["page servers are not supported yet", "dump to a directory and copy it"] as const;

/** A type that is known and not supported yet. */
function refused(
  name: keyof typeof CriuReqType,
  [reason, remedy]: readonly [string, string],
  about: Omit<RequestType, "handle">,
): RequestType {
  const error = new StasisError({
    code: "REQUEST_UNSUPPORTED",
    doing: "serve",
    subject: { kind: "request", type: name },
    reason,
    remedy,
  });
  const handle: Handler = (_request, session) => {
    session.log.failure(error);
    return { response: { type: about.answer, success: false, crErrmsg: error.message }, status: about.failure };
  };
  return { handle, ...about };
}

const {
  DUMP,
  RESTORE,
  CHECK,
  PRE_DUMP,
  PAGE_SERVER,
  CPUINFO_DUMP,
  CPUINFO_CHECK,
  FEATURE_CHECK,
  VERSION,
  WAIT_PID,
  SINGLE_PRE_DUMP,
} = CriuReqType;
const stays = { keepOpen: true, failure: 0 } as const;
const ends = { keepOpen: false, failure: 0 } as const;
const fails = { keepOpen: false, failure: 1 } as const;

/** EMPTY and NOTIFY are not among them: they are no requests. */
export const requestTypes: ReadonlyMap<CriuReqType, RequestType> = new Map([
  [DUMP, { handle: handleDump, answer: DUMP, ...fails }],
  [RESTORE, { handle: handleRestore, answer: RESTORE, ...fails }],
  [CHECK, { handle: handleCheck, answer: CHECK, ...ends }],
  [PRE_DUMP, refused("PRE_DUMP", steps, { answer: PRE_DUMP, keepOpen: false, failure: PROTOCOL_STATUS })],
  [PAGE_SERVER, refused("PAGE_SERVER", pageServers, { answer: PAGE_SERVER, ...stays })],
  [CPUINFO_DUMP, { handle: handleProcessor(CPUINFO_DUMP), answer: CPUINFO_DUMP, ...stays }],
  [CPUINFO_CHECK, { handle: handleProcessor(CPUINFO_CHECK), answer: CPUINFO_CHECK, ...stays }],
  [FEATURE_CHECK, { handle: handleFeatureCheck, answer: FEATURE_CHECK, ...stays }],
  [VERSION, { handle: handleVersion, answer: VERSION, ...stays }],
  [WAIT_PID, { handle: handleWait, answer: WAIT_PID, ...ends }],
  // Answered as PAGE_SERVER: CRIU does, and its clients look for that.
  [CriuReqType.PAGE_SERVER_CHLD, refused("PAGE_SERVER_CHLD", pageServers, { answer: PAGE_SERVER, ...stays })],
  [SINGLE_PRE_DUMP, refused("SINGLE_PRE_DUMP", steps, { answer: SINGLE_PRE_DUMP, ...fails })],
]);

/** What a failed answer of a type carries besides. */
export function failed(answer: CriuReqType, error: StasisError): ResponseInit {
  const { crErrno, message: crErrmsg } = error;
  const common = { type: answer, success: false, crErrno, crErrmsg };
  if (answer === DUMP) return { ...common, dump: { restored: false } };
  if (answer === RESTORE) return { ...common, restore: { pid: -1 } };
  return common;
}
