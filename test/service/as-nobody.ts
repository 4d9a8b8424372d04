// A service that lets everybody in, and a client who is nobody special.
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { type Program, startExecutable } from "../support/program.js";
import { type RunningService, startServiceIn } from "./running-service.js";

export const NOBODY = 65534;
const script = fileURLToPath(new URL("./as-user.js", import.meta.url));

export interface Outcome {
  readonly result?: { readonly pid?: number; readonly threads?: number; readonly open?: readonly string[] };
  readonly failed?: string;
  readonly crErrno?: number;
}
type Method = "dump" | "restore" | "version" | "reachForWorker";

/** Asks the service at `path` as user `uid`. */
export const askAs = (uid: number, path: string, method: Method, options: object): Outcome =>
  JSON.parse(
    execFileSync(process.execPath, [script, path, String(uid), method, JSON.stringify(options)], { encoding: "utf8" }),
  );

export const ticking = `
import time
n = 0
while True:
    n += 1
    print("tick", n, flush=True)
    time.sleep(0.01)
`;

/** Python that runs `code` as nobody, in group `gid`; `more`: further words of setpriv(1). */
export async function startOfNobody(
  code = ticking,
  { gid = NOBODY, more = [] }: { readonly gid?: number; readonly more?: readonly string[] } = {},
): Promise<Program> {
  const nobody = ["--reuid", String(NOBODY), "--regid", String(gid), "--clear-groups", ...more];
  const program = await startExecutable("/usr/bin/setpriv", {
    arguments: [...nobody, "/usr/bin/python3", "-c", code],
    readyLine: "tick 3",
  });
  chmodSync(program.directory, 0o755);
  return program;
}

/** For the tests of one file. */
export function openService(name: string) {
  const directory = mkdtempSync(join(tmpdir(), `${name}-`));
  let service: RunningService;
  let made = 0;
  before(async () => {
    chmodSync(directory, 0o755);
    service = await startServiceIn(directory, "open", "--allow", "any", "-v0", "--workers", "1");
  });
  after(async () => {
    await service.stop();
    rmSync(directory, { recursive: true });
  });
  return {
    directory,
    path: () => service.path,
    asNobody: (method: Method, options: object): Outcome => askAs(NOBODY, service.path, method, options),
    newDirectory(owner: number, mode = 0o755): string {
      const path = join(directory, `images-${++made}`);
      mkdirSync(path);
      chownSync(path, owner, owner);
      chmodSync(path, mode);
      return path;
    },
  };
}
