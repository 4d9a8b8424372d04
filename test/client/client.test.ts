// The client against our own swrk, against servers made up here, and against CRIU where it is installed.
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Connection } from "../../src/client/connection.js";
import {
  ConnectionClosed,
  ConnectionFailed,
  CriuClient,
  CriuRequestError,
  connect,
  RequestUnknown,
  spawn,
} from "../../src/index.js";
import { newSocketPair } from "../../src/kernel/packets.js";
import { receiveMessageAsync, sendMessageAsync } from "../../src/protocol/framing.js";
import { type CriuReq, CriuReqType } from "../../src/protocol/gen/rpc_pb.js";
import { decodeRequest } from "../../src/protocol/request.js";
import { encodeResponse, type ResponseInit } from "../../src/protocol/response.js";

const program = fileURLToPath(new URL("../../../bin/stasis", import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "client-"));
after(() => rmSync(directory, { recursive: true }));
const { DUMP, RESTORE, NOTIFY, EMPTY, CHECK } = CriuReqType;

/** A client of a server that answers what it is asked with what is next in the list; the requests are kept. */
function scripted(...answers: (ResponseInit | Uint8Array)[]): { client: CriuClient; requests: CriuReq[] } {
  const requests: CriuReq[] = [];
  const client = new CriuClient(async () => {
    const [ours, theirs] = newSocketPair({ nonBlocking: true });
    const serving = (async () => {
      using socket = theirs;
      for (const answer of answers) {
        const packet = await receiveMessageAsync(socket.fd);
        if (packet === undefined) return;
        requests.push(decodeRequest(packet.data));
        await sendMessageAsync(socket.fd, answer instanceof Uint8Array ? answer : encodeResponse(answer));
      }
      if (answers.at(-1) instanceof Uint8Array) return;
      const last = await receiveMessageAsync(socket.fd);
      if (last !== undefined) requests.push(decodeRequest(last.data));
    })();
    return new Connection(ours, () => serving);
  });
  return { client, requests };
}
const notify = (script: string): ResponseInit => ({ type: NOTIFY, success: true, notify: { script } });

test("swrk of stasis answers, and its refusals are typed errors", async () => {
  await using client = spawn(program, { output: "inherit" });
  assert.equal((await client.version()).name?.startsWith("stasis "), true);
  await assert.rejects(client.dump({ pid: 0, imagesDirectory: directory, logLevel: 0 }), (error) => {
    assert.ok(error instanceof CriuRequestError);
    assert.deepEqual([error.request, error.crErrno], ["DUMP", 3]);
    assert.equal(
      error.message,
      "DUMP failed: Cannot dump pid 0: no process has this pid; name the root of a process tree by its pid",
    );
    return true;
  });
});

test("swrk of CRIU answers too", { skip: existsSync("/usr/sbin/criu") ? false : "criu is not installed" }, async () => {
  await using client = spawn("/usr/sbin/criu");
  assert.ok((await client.version()).majorNumber >= 3);
  await assert.rejects(client.dump({ pid: 1, imagesDirFd: 999 }), { name: "CriuRequestError", crErrno: 56 });
});

test("every step is told, and what the callback says is the acknowledgement", async () => {
  const { client, requests } = scripted(notify("pre-dump"), notify("post-dump"), {
    type: DUMP,
    success: true,
    dump: { restored: false },
  });
  const steps: string[] = [];
  const onNotify = async ({ script }: { script: string }) => {
    steps.push(script);
    return undefined;
  };
  assert.deepEqual(await client.dump({ pid: 1, imagesDirectory: directory }, { onNotify }), { restored: false });
  assert.deepEqual(steps, ["pre-dump", "post-dump"]);
  assert.equal(requests[0]?.opts?.notifyScripts, true);
  assert.deepEqual(
    requests.slice(1).map(({ type, notifySuccess }) => [type, notifySuccess]),
    [
      [NOTIFY, true],
      [NOTIFY, true],
    ],
  );
});

test("what stays outside of the images is said in the acknowledgement of query-ext-files", async () => {
  const { client, requests } = scripted(notify("query-ext-files"), { type: DUMP, success: true });
  const onNotify = () => ({ external: ["unix[7]"] });
  await client.dump({ pid: 1, imagesDirectory: directory }, { onNotify });
  assert.deepEqual([requests[1]?.notifySuccess, requests[1]?.opts?.external], [true, ["unix[7]"]]);
});

test("a callback refuses with false, and the failed answer is still read", async () => {
  const { client, requests } = scripted(notify("pre-dump"), { type: DUMP, success: false });
  await assert.rejects(client.dump({ pid: 1, imagesDirectory: directory }, { onNotify: () => false }), {
    name: "CriuRequestError",
  });
  assert.equal(requests[1]?.notifySuccess, false);
});

test("an error of the callback refuses, and is what the call rejects with", async () => {
  const { client, requests } = scripted(notify("pre-dump"), { type: DUMP, success: false });
  const reason = new Error("no space in the archive");
  const onNotify = () => {
    throw reason;
  };
  await assert.rejects(client.dump({ pid: 1, imagesDirectory: directory }, { onNotify }), reason);
  assert.equal(requests[1]?.notifySuccess, false);
});

test("a notification without a callback is accepted", async () => {
  const { client, requests } = scripted(notify("pre-dump"), { type: DUMP, success: true });
  await client.dump({ pid: 1, imagesDirectory: directory });
  assert.deepEqual([requests[0]?.opts?.notifyScripts, requests[1]?.notifySuccess], [false, true]);
});

test("failures carry errno, sentence and the pid of a root that existed", async () => {
  const failed: ResponseInit = {
    type: RESTORE,
    success: false,
    restore: { pid: 4711 },
    crErrno: 17,
    crErrmsg: "pid 4712 is taken\n",
  };
  await assert.rejects(scripted(failed).client.restore({ imagesDirectory: directory }), {
    name: "CriuRequestError",
    crErrno: 17,
    crErrmsg: "pid 4712 is taken",
    pid: 4711,
    message: "RESTORE failed: pid 4712 is taken",
  });
  const silent = { type: RESTORE, success: false, restore: { pid: -1 }, crErrno: 17 };
  await assert.rejects(scripted(silent).client.restore({ imagesDirectory: directory }), {
    message: "RESTORE failed: EEXIST",
    pid: undefined,
  });
});

test("a request that the service has not is told from one that failed", async () => {
  await assert.rejects(scripted({ type: EMPTY, success: false }).client.version(), RequestUnknown);
  await assert.rejects(scripted({ type: CHECK, success: true }).client.version(), /VERSION was answered with CHECK/);
});

test("a service that leaves or talks nonsense closed the connection", async () => {
  await assert.rejects(scripted(Uint8Array.of()).client.version(), ConnectionClosed);
  await assert.rejects(scripted(Uint8Array.of(255)).client.version(), ConnectionClosed);
  await assert.rejects(spawn("/bin/false").version(), ConnectionClosed);
});

test("nobody to talk to is a failed connection", async () => {
  await assert.rejects(connect(join(directory, "nobody")).version(), ConnectionFailed);
  await assert.rejects(spawn(join(directory, "nothing")).version(), ConnectionFailed);
  assert.throws(() => connect("x".repeat(200)), ConnectionFailed);
});

test("a directory that cannot be opened is said before anything is sent", async () => {
  const { client, requests } = scripted({ type: DUMP, success: true });
  await assert.rejects(client.dump({ imagesDirectory: "/nowhere" }), { code: "ENOENT" });
  assert.deepEqual(requests, []);
});

test("a call ends with its time limit, its signal, and its client", async () => {
  const mute = join(directory, "mute");
  writeFileSync(mute, "#!/bin/sh\nexec sleep 100\n");
  chmodSync(mute, 0o755);
  await assert.rejects(spawn(mute).version({ timeoutMs: 50 }), { name: "TimeoutError" });
  const controller = new AbortController();
  const aborted = spawn(mute).version({ signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(aborted, { message: "enough" });
  const client = spawn(mute);
  const running = client.version();
  const rejected = assert.rejects(running, { message: "the client was disposed" });
  await client[Symbol.asyncDispose]();
  await rejected;
});

test("a directory, a namespace and a flag reach the wire", async () => {
  const { client, requests } = scripted({ type: RESTORE, success: true, restore: { pid: 5 } });
  assert.deepEqual(await client.restore({ imagesDirectory: directory, joinNs: [{ ns: "net", nsFile: "1" }] }), {
    pid: 5,
  });
  assert.ok((requests[0]?.opts?.imagesDirFd ?? -1) > 2);
  assert.equal(requests[0]?.opts?.$unknown?.[0]?.no, 39);
});
