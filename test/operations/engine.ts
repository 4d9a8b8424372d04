// An engine to be killed: a process that does one dump or restore when it is told to. `engine.js dump DIRECTORY PID`, which
// leaves it running, `engine.js dump-and-end DIRECTORY PID`, `engine.js restore DIRECTORY`, `engine.js undertake PID...`, which lets the processes go when it is told so once more.
import { openSync, readSync, writeSync } from "node:fs";
import { asFd, asPid } from "../../src/kernel/brand.js";
import { dump } from "../../src/operations/dump.js";
import { restore } from "../../src/operations/restore.js";
import { settle } from "../../src/options/index.js";
import { dumpOptions, restoreOptions } from "../../src/options/views.js";
import { Undertaker } from "../../src/tracee/undertaker.js";

const [operation, ...rest] = process.argv.slice(2);
const nothing = () => undefined;
const log = { error: nothing, warn: nothing, info: nothing, debug: nothing };

function requestFor(directory: string) {
  const images = asFd(openSync(directory, "r"));
  return { images, workDir: images, log, notify: () => true };
}

function dumpInto([directory = "", pid = ""]: readonly string[], leaveRunning: boolean): void {
  const options = settle({ leaveRunning, tcpEstablished: true }, "dump");
  dump({ ...requestFor(directory), options: dumpOptions(options, Number(pid)) });
}

function restoreFrom([directory = ""]: readonly string[]): void {
  restore({ ...requestFor(directory), options: restoreOptions(settle({ tcpEstablished: true }, "restore")) });
}

function undertake(pids: readonly string[]): void {
  using _undertaker = new Undertaker(pids.map((pid) => asPid(Number(pid))));
  tell();
  awaitWord();
}

/** One byte each way: ready, go, done. */
const tell = () => writeSync(1, ".");
const awaitWord = () => readSync(0, new Uint8Array(1));

tell();
awaitWord();
if (operation === "dump") dumpInto(rest, true);
else if (operation === "dump-and-end") dumpInto(rest, false);
else if (operation === "undertake") undertake(rest);
else restoreFrom(rest);
tell();
