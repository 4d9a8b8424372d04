// npm run demo: a program with threads, memory and an open file is dumped by the service, is gone, and comes back.
import { missing } from "./requirements.js";

const lack = missing();
if (lack === undefined) {
  const { story } = await import("./story.js");
  await story();
} else {
  process.stderr.write(`${lack}\n`);
  process.exitCode = 1;
}
