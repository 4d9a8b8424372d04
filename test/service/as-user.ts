// Run as a process of its own: becomes another user, makes one request, and prints what came of it as JSON.
// Arguments: path of the socket, uid, method, options as JSON. Paths in `openedByRoot` are opened before, as descriptors that the client has.
import { openSync, readdirSync, readFileSync } from "node:fs";
import { type CriuClient, CriuRequestError, connect } from "../../src/index.js";
import { PR } from "../../src/kernel/abi/prctl.js";
import { sys } from "../../src/kernel/syscalls.js";

type Options = Parameters<CriuClient["dump"]>[0] & { readonly pid?: number };
const methods: Readonly<Record<string, (client: CriuClient, options: Options) => Promise<unknown>>> = {
  dump: (client, options) => client.dump(options),
  restore: (client, options) => client.restore(options),
  version: (client) => client.version(),
  async reachForWorker(client, options) {
    let reached: unknown;
    const onNotify = ({ script }: { readonly script: string }) => {
      if (script === "pre-dump") reached = reachForWorker(`stasis: dump --rpc -t ${options.pid}`);
      return undefined;
    };
    await client.dump(options, { onNotify });
    return reached;
  },
};

/** The threads of the worker that serves us, and those whose memory we can open, which takes what ptrace(2) takes. */
function reachForWorker(title: string): { readonly threads: number; readonly open: readonly string[] } {
  const isIt = (pid: string) =>
    /^\d+$/.test(pid) && attempt(() => readFileSync(`/proc/${pid}/cmdline`, "latin1"))?.startsWith(title);
  const worker = readdirSync("/proc").find(isIt) ?? "none";
  const threads = readdirSync(`/proc/${worker}/task`);
  const open = threads.filter((tid) => attempt(() => openSync(`/proc/${worker}/task/${tid}/mem`, "r+")) !== undefined);
  return { threads: threads.length, open };
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}

const [, , path = "", uid = "", method = "", text = "{}"] = process.argv;
const { openedByRoot = {}, ...options }: Options & { openedByRoot?: Readonly<Record<string, string>> } =
  JSON.parse(text);
const opened = Object.fromEntries(Object.entries(openedByRoot).map(([name, file]) => [name, openSync(file, "r")]));
process.setgroups?.([]);
process.setgid?.(Number(uid));
process.setuid?.(Number(uid));
// As a program that the user has started.
sys.prctl(PR.PR_SET_DUMPABLE, 1n, 0n, 0n, 0n);
try {
  const result = await methods[method]?.(connect(path), { ...options, ...opened });
  process.stdout.write(JSON.stringify({ result }));
} catch (error) {
  const crErrno = error instanceof CriuRequestError ? error.crErrno : undefined;
  process.stdout.write(JSON.stringify({ failed: error instanceof Error ? error.message : String(error), crErrno }));
}
