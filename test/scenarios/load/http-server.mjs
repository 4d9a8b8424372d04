// An HTTP server: how often a connection has asked, what a request sent, a stream that never ends, a child that answers over IPC, and files that are watched.
import { fork } from "node:child_process";
import { watch, writeFileSync } from "node:fs";
import { createServer } from "node:http";

if (process.argv[2] === "child") {
  process.on("message", (number) => process.send(number * 2));
} else {
  const child = fork(process.argv[1], ["child"]);
  const double = (number) =>
    new Promise((resolve) => {
      child.once("message", resolve);
      child.send(number);
    });
  const changed = (name) =>
    new Promise((resolve) => {
      const watcher = watch(".", (_, found) => {
        if (found === name) resolve(watcher.close());
      });
      writeFileSync(name, "");
    });
  const asked = new WeakMap();
  const answers = {
    "/count": async (request) => {
      asked.set(request.socket, (asked.get(request.socket) ?? 0) + 1);
      return String(asked.get(request.socket));
    },
    "/upload": async (request) => {
      let bytes = 0;
      for await (const piece of request) bytes += piece.length;
      return String(bytes);
    },
    "/double": async (request) => String(await double(Number(request.headers["x-number"]))),
    "/watch": async (request) => {
      await changed(request.headers["x-name"]);
      return "changed";
    },
    "/numbers": (_, response) =>
      new Promise((resolve) => {
        let number = 0;
        const timer = setInterval(() => response.write(`${++number}\n`), 2);
        response.on("close", () => resolve(clearInterval(timer)));
      }),
  };
  const server = createServer(async (request, response) => response.end(await answers[request.url](request, response)));
  server.keepAliveTimeout = 300_000;
  server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"));
}
