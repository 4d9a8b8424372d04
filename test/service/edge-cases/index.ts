// All rows of docs/edge-cases.md, by section.
import type { EdgeCase } from "./case.js";
import { replies, steps } from "./notifications.js";
import { requests } from "./requests.js";
import { restores } from "./restores.js";
import { serviceProcess } from "./service-process.js";
import { targets } from "./targets.js";

export const edgeCases: Readonly<Record<string, readonly EdgeCase[]>> = {
  Requests: requests,
  "What is dumped": targets,
  "What is restored": restores,
  Notifications: [...replies, ...steps],
  "Connections, service and swrk": serviceProcess,
};
