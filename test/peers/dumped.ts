// A dump of a program that has a little of everything open, for programs that look into images.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { startExecutable } from "../support/program.js";

const stasis = fileURLToPath(new URL("../../../bin/stasis", import.meta.url));

const source = `
import mmap, os, socket, time
one, other = os.pipe()
os.write(other, b"hello" * 100)
pair = socket.socketpair()
pair[0].send(b"q")
named = socket.socket(socket.AF_UNIX)
named.bind(b"\\0stasis = " + str(os.getpid()).encode() + b"\\xc3\\xa4")
named.listen()
ghost = open("ghost", "w+")
ghost.write("x" * 5000)
ghost.flush()
os.unlink("ghost")
shared = mmap.mmap(-1, 8192)
shared[0] = 7
if os.fork() == 0:
    time.sleep(1000)
print("ready", flush=True)
time.sleep(1000)
`;

/** Dumps it into `directory`. */
export async function dumpedProgram(directory: string): Promise<void> {
  await using program = await startExecutable("/usr/bin/python3", { arguments: ["-c", source] });
  execFileSync(stasis, ["dump", "-t", String(program.pid), "-D", directory, "--cpu-cap", "-v1"]);
  await program.gone();
}
