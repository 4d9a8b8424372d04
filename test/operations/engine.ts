// An engine to be killed: a process that does one dump or restore when it is told to. `engine.js dump DIRECTORY PID`, `engine.js restore DIRECTORY`.
import { openSync, readSync, writeSync } from "node:fs";
import { asFd } from "../../src/kernel/brand.js";
import { dump } from "../../src/operations/dump.js";
import { restore } from "../../src/operations/restore.js";
import { settle } from "../../src/options/index.js";
import { dumpOptions, restoreOptions } from "../../src/options/views.js";

const [operation, directory = "", pid = ""] = process.argv.slice(2);
const images = asFd(openSync(directory, "r"));
const nothing = () => undefined;
const log = { error: nothing, warn: nothing, info: nothing, debug: nothing };
const request = { images, workDir: images, log, notify: () => true };

/** One byte each way: ready, go, done. */
const tell = () => writeSync(1, ".");
const awaitWord = () => readSync(0, new Uint8Array(1));

tell();
awaitWord();
if (operation === "dump")
  dump({ ...request, options: dumpOptions(settle({ leaveRunning: true, tcpEstablished: true }, "dump"), Number(pid)) });
else restore({ ...request, options: restoreOptions(settle({ tcpEstablished: true }, "restore")) });
tell();
