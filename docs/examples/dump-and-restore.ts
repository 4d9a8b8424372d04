// Dumps a process tree through a service, shows the steps and how far it is, and restores it.
// node dist/docs/examples/dump-and-restore.js SOCKET PID DIRECTORY
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type Notification, type Progress } from "stasis";

const [, , socket = "", pid = "", imagesDirectory = ""] = process.argv;
await using criu = connect(socket);

const onNotify = ({ script, pid: root }: Notification) => {
  console.log(root === undefined ? script : `${script}, the root is ${root}`);
  // False would refuse: the service gives up, and the program runs on.
  return true;
};
let last: Progress | undefined;
const onProgress = (progress: Progress) => {
  last = progress;
};

await criu.dump({ pid: Number(pid), imagesDirectory }, { onNotify, onProgress });
console.log(`dumped, ${last?.doneBytes} of ${last?.totalBytes} bytes`);
// Its pid has to be free: until its parent has waited for it, a zombie has it.
while (existsSync(`/proc/${pid}`)) await sleep(10);
const { pid: restored } = await criu.restore({ imagesDirectory }, { onNotify });
console.log(`restored as ${restored}`);
