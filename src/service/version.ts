// Which version we are, and of which version of CRIU we speak the RPC and write the images.
import { createRequire } from "node:module";

export const criuVersion = { major: 4, minor: 2 } as const;

// By our own name: this module runs from dist/src/service and from dist/program.
const packageJson: unknown = createRequire(import.meta.url)("stasis/package.json");
const ownVersion =
  typeof packageJson === "object" && packageJson !== null && "version" in packageJson
    ? String(packageJson.version)
    : "?";
export const programName = `stasis ${ownVersion}`;
