// Some machines forbid to execute what memfd_create(2) makes: vm.memfd_noexec, which each pid namespace has for itself.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";

const SYSCTL = "/proc/sys/vm/memfd_noexec";
const MODULE = new URL("../../src/kernel/program-file.js", import.meta.url);
/** Puts a program into memory and starts it. */
const script = `
  import { readFileSync } from "node:fs";
  import { spawnSync } from "node:child_process";
  import { programFile } from "${MODULE}";
  const file = programFile("true", readFileSync("/bin/true"));
  const { status, error } = spawnSync("/proc/self/fd/" + file.fd);
  if (error !== undefined) throw error;
  process.exit(status === 0 ? 0 : 1);`;

for (const value of [0, 1, 2])
  test(`a program that we put together can be started where vm.memfd_noexec is ${value}`, (t) => {
    if (!existsSync(SYSCTL)) return t.skip(`a kernel without ${SYSCTL}`);
    const command = `echo ${value} > ${SYSCTL} && exec "$@"`;
    const node = [process.execPath, "--input-type=module", "--eval", script];
    const { status, stderr } = spawnSync("unshare", ["-pf", "--mount-proc", "sh", "-c", command, "sh", ...node]);
    assert.equal(status, 0, String(stderr));
  });
