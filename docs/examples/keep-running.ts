// A copy of a running program every so often, as a backup: each in a directory of its own, the last three are kept.
// node dist/docs/examples/keep-running.js SOCKET PID DIRECTORY TIMES SECONDS
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "stasis";

const KEPT = 3;
const [, , socket = "", pid = "", directory = "", times = "", seconds = ""] = process.argv;
await using criu = connect(socket);

for (let copy = 1; copy <= Number(times); copy++) {
  const imagesDirectory = join(directory, String(copy));
  await mkdir(imagesDirectory);
  await criu.dump({ pid: Number(pid), imagesDirectory, leaveRunning: true }, { timeoutMs: 60_000 });
  await rm(join(directory, String(copy - KEPT)), { recursive: true, force: true });
  console.log(`copy ${copy}`);
  await sleep(Number(seconds) * 1000);
}
