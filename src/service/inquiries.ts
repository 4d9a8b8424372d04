// The requests that touch no process: CHECK, FEATURE_CHECK, VERSION.
import { isFieldSet } from "@bufbuild/protobuf";
import { CriuFeaturesSchema, type CriuReq, CriuReqType } from "../protocol/gen/rpc_pb.js";
import { StasisError } from "../report/error.js";
import type { LineLog } from "../report/log.js";
import { explain } from "./failure.js";
import { type Answer, optionsOf, type Session, showTitle, workspaceOf } from "./session.js";
import { criuVersion, programName } from "./version.js";

/** Options count only when a log file is named, as in CRIU; `cr_errno` is never set. */
export function handleCheck(request: CriuReq, session: Session): Answer {
  showTitle("check --rpc");
  const type = CriuReqType.CHECK;
  try {
    const { opts } = request;
    if (opts === undefined || opts.logFile === "" || opts.logToStderr) check(session, session.log);
    else {
      using workspace = workspaceOf(optionsOf(request, "check", session), session);
      check(session, workspace.log);
    }
    return { response: { type, success: true }, status: 0 };
  } catch (thrown) {
    const { message: crErrmsg } = explain(thrown, "check", { kind: "host", what: "this host" });
    return { response: { type, success: false, crErrmsg }, status: 0 };
  }
}

function check({ engine }: Session, log: LineLog): void {
  try {
    engine.check();
  } catch (thrown) {
    const error = explain(thrown, "check", { kind: "host", what: "this host" });
    log.failure(error);
    throw error;
  }
}

/** Only what is asked for is looked at; everything else is reported as missing, as CRIU does. */
export function handleFeatureCheck({ features: wanted }: CriuReq, { engine }: Session): Answer {
  showTitle("feature-check --rpc");
  const type = CriuReqType.FEATURE_CHECK;
  try {
    if (wanted === undefined) throw withoutFeatures();
    const has = engine.features();
    const asked = (name: keyof typeof has) => isFieldSet(wanted, CriuFeaturesSchema.field[name]) && wanted[name];
    const features = {
      memTrack: asked("memTrack") && has.memTrack,
      lazyPages: asked("lazyPages") && has.lazyPages,
      pidfdStore: asked("pidfdStore") && has.pidfdStore,
    };
    return { response: { type, success: true, features }, status: 0 };
  } catch (thrown) {
    const { message: crErrmsg } = explain(thrown, "look up", { kind: "host", what: "features" });
    return { response: { type, success: false, crErrmsg }, status: 0 };
  }
}

const withoutFeatures = () =>
  new StasisError({
    code: "PROTOCOL",
    doing: "look up",
    subject: { kind: "host", what: "features" },
    reason: "the request names none",
  });

/** The version of CRIU that we stand in for, and our own name. */
export function handleVersion(): Answer {
  const { major, minor } = criuVersion;
  const version = { majorNumber: major, minorNumber: minor, name: programName };
  return { response: { type: CriuReqType.VERSION, success: true, version }, status: 0 };
}
