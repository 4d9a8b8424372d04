// The requests CPUINFO_DUMP and CPUINFO_CHECK. A failure never carries `cr_errno`, as with CRIU.
import { CriuReqType } from "../protocol/gen/rpc_pb.js";
import { explain } from "./failure.js";
import { type Handler, optionsOf, showTitle, workspaceOf } from "./session.js";

const host = { kind: "host", what: "the processor" } as const;
const { CPUINFO_DUMP } = CriuReqType;

export function handleProcessor(type: CriuReqType): Handler {
  const verb = type === CPUINFO_DUMP ? "dump" : "check";
  return (request, session) => {
    showTitle(`cpuinfo ${verb} --rpc`);
    try {
      const options = optionsOf(request, "cpuinfo", session);
      using workspace = workspaceOf(options, session);
      try {
        if (type === CPUINFO_DUMP) session.engine.dumpProcessor(workspace.images);
        else session.engine.checkProcessor(workspace.images, options.cpuCap);
      } catch (thrown) {
        workspace.log.failure(explain(thrown, verb, host));
        throw thrown;
      }
      return { response: { type, success: true }, status: 0 };
    } catch (thrown) {
      const { message: crErrmsg } = explain(thrown, verb, host);
      return { response: { type, success: false, crErrmsg }, status: 0 };
    }
  };
}
