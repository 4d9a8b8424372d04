// A Node HTTP server and its clients, whose connections outlive the dump: kept ones, one that is sending, one that is sent something without end.
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startExecutable } from "../support/program.js";
import { freePort } from "./free-port.js";
import { atRandomMoments } from "./moments.js";
import { endingWith, startService, until } from "./round-trip.js";

const script = fileURLToPath(new URL("../../../test/scenarios/load/http-server.mjs", import.meta.url));

async function textOf(sent: ClientRequest): Promise<string> {
  const [response]: IncomingMessage[] = await once(sent, "response");
  let text = "";
  for await (const piece of response?.setEncoding("utf8") ?? []) text += piece;
  return text;
}

test("a Node HTTP server goes on with kept connections, an upload and a stream where they were", async () => {
  const port = await freePort();
  await using service = await startService();
  await using program = await startExecutable(process.execPath, { arguments: [script, String(port)] });
  using _ = endingWith(program.pid);
  const clients = Array.from({ length: 5 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
  const send = (path: string, agent: Agent, headers: Record<string, string> = {}) =>
    request({ host: "127.0.0.1", port, path, agent, headers, method: path === "/upload" ? "POST" : "GET" });
  const get = (path: string, agent = new Agent(), headers = {}) => textOf(send(path, agent, headers).end());

  let numbers = "";
  const stream = send("/numbers", new Agent()).end();
  stream.on("response", (response) => response.setEncoding("utf8").on("data", (text: string) => (numbers += text)));
  stream.on("error", () => undefined);
  const upload = send("/upload", new Agent());
  const uploaded = textOf(upload);
  uploaded.catch(() => undefined);
  for (const agent of clients) assert.equal(await get("/count", agent), "1");
  await until("numbers come", () => numbers.length > 0);

  let pieces = 0;
  await atRandomMoments(service, program.pid, {
    options: { tcpEstablished: true },
    works: async (moment) => {
      upload.write(Buffer.alloc(100_000));
      pieces++;
      for (const agent of clients) assert.equal(await get("/count", agent), String(moment + 1));
      assert.equal(await get("/count"), "1");
      assert.equal(await get("/double", new Agent(), { "x-number": String(moment) }), String(2 * moment));
      assert.equal(await get("/watch", new Agent(), { "x-name": `file-${moment}` }), "changed");
      const seen = numbers.length;
      await until("the stream goes on", () => numbers.length > seen);
    },
  });
  upload.end();
  assert.equal(await uploaded, String(pieces * 100_000));
  stream.destroy();
  const lines = numbers.split("\n").slice(0, -1);
  assert.deepEqual(
    lines,
    lines.map((_, index) => String(index + 1)),
  );
  for (const agent of clients) agent.destroy();
});
