// Restores without a service: stasis (or criu) is started as our child, and the restored root becomes our child too.
// node dist/docs/examples/child-of-ours.js PROGRAM DIRECTORY
import { readFileSync } from "node:fs";
import { spawn } from "stasis";

const [, , program = "stasis", imagesDirectory = ""] = process.argv;
await using criu = spawn(program, { output: "inherit" });

const { majorNumber, minorNumber, name = "" } = await criu.version();
console.log(`version ${majorNumber}.${minorNumber} ${name}`.trim());
const { pid } = await criu.restore({ imagesDirectory, rstSibling: true });
const [, parent] = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
console.log(`restored as ${pid}, ${Number(parent) === process.pid ? "a child of ours" : `a child of ${parent}`}`);
