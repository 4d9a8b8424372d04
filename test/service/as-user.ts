// Run as a process of its own: becomes another user, makes one request, and prints what came of it as JSON.
// Arguments: path of the socket, uid, method, options as JSON.

import { type CriuClient, CriuRequestError, connect, type RequestOptions } from "../../src/index.js";
import { PR } from "../../src/kernel/abi/prctl.js";
import { sys } from "../../src/kernel/syscalls.js";

const methods: Readonly<Record<string, (client: CriuClient, options: RequestOptions) => Promise<unknown>>> = {
  dump: (client, options) => client.dump(options),
  restore: (client, options) => client.restore(options),
};
const [, , path = "", uid = "", method = "", options = "{}"] = process.argv;
process.setgroups?.([]);
process.setgid?.(Number(uid));
process.setuid?.(Number(uid));
// As a program that the user has started.
sys.prctl(PR.PR_SET_DUMPABLE, 1n, 0n, 0n, 0n);
try {
  const result = await methods[method]?.(connect(path), JSON.parse(options));
  process.stdout.write(JSON.stringify({ result }));
} catch (error) {
  const crErrno = error instanceof CriuRequestError ? error.crErrno : undefined;
  process.stdout.write(JSON.stringify({ failed: error instanceof Error ? error.message : String(error), crErrno }));
}
