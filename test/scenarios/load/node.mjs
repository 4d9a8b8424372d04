// Node with its thread pool busy, code that is made and optimized all the time, a worker thread that shares memory, timers and garbage. Each result is checked.
import { createHash, pbkdf2 } from "node:crypto";
import { connect, createServer } from "node:net";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { deflate, inflate } from "node:zlib";

const wrong = (what) => {
  console.log(`wrong: ${what}`);
  process.exit(1);
};

async function inThreadPool() {
  const text = Buffer.from(Array.from({ length: 20_000 }, (_, n) => `line ${n}\n`).join(""));
  const key = (await promisify(pbkdf2)("password", "salt", 1000, 32, "sha256")).toString("hex");
  if (key !== "632c2812e46d4604102ba7618e9d6d7d2f8128f6266b4a03264d2a0460b7dcb3") wrong(`key ${key}`);
  const back = await promisify(inflate)(await promisify(deflate)(text));
  if (!back.equals(text)) wrong("inflated");
}

/** New code each time, run until it is hot. */
function compiled(seed) {
  const f = new Function("n", `let s = ${seed}; for (let i = 0; i < n; i++) s = (s * 31 + i) % 1000003; return s;`);
  const first = f(1000);
  for (let i = 0; i < 300; i++) if (f(1000) !== first) wrong("compiled");
  const objects = new Map();
  for (let i = 0; i < 20_000; i++) objects.set(`key ${i}`, { i, next: objects.get(`key ${i - 1}`) });
  for (let i = 19_999, at = objects.get("key 19999"); at; i--, at = at.next) if (at.i !== i) wrong("objects");
}

/** Both sides wait for each other by futexes of shared memory. */
const shared = new Int32Array(new SharedArrayBuffer(8));
const other = `
  const { workerData: shared } = require("node:worker_threads");
  for (;;) { Atomics.wait(shared, 0, shared[1]); if (shared[0] !== shared[1] + 1) throw new Error("worker"); Atomics.add(shared, 1, 1); Atomics.notify(shared, 1); }`;
new Worker(other, { eval: true, workerData: shared }).on("error", (error) => wrong(String(error)));
async function withWorker() {
  const turn = Atomics.add(shared, 0, 1);
  Atomics.notify(shared, 0);
  while (shared[1] === turn) await Atomics.waitAsync(shared, 1, turn).value;
  if (shared[1] !== turn + 1) wrong("shared");
}

/** A connection to ourselves. */
const name = `\0stasis-node-${process.pid}`;
createServer((socket) => socket.pipe(socket)).listen(name);
const echo = connect(name);
async function overSocket(number) {
  const sent = createHash("sha512").update(String(number)).digest();
  echo.write(sent);
  const received = await new Promise((resolve) => echo.once("data", resolve));
  if (!received.equals(sent)) wrong("echo");
}

let ticks = 0;
setInterval(() => ticks++, 1);
for (let round = 1; ; round++) {
  const before = ticks;
  const busy = Array.from({ length: 6 }, inThreadPool);
  compiled(round);
  await withWorker();
  await overSocket(round);
  await Promise.all(busy);
  while (ticks === before) await new Promise((resolve) => setTimeout(resolve, 1));
  console.log(`round ${round}`);
}
