// What a worker rehearses with: a program that waits, and ends by itself whatever becomes of us.
import { type StdioOptions, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { O } from "../kernel/abi/fcntl.js";
import { AF_INET } from "../kernel/abi/in.js";
import { W } from "../kernel/abi/process.js";
import { SIG } from "../kernel/abi/signal.js";
import { AF_UNIX, SOCK } from "../kernel/abi/socket.js";
import { AT_FDCWD, asFd, asPid, type Fd, type Pid } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { closeAll } from "../kernel/own-fd.js";
import { sys } from "../kernel/syscalls.js";

/** coreutils; it has a C library, as nearly every target. */
const PROGRAM = "/bin/sleep";
const LIFETIME_SECONDS = "10";
/** A file that is there, and no program, of which more would be asked. */
const FILE = fileURLToPath(import.meta.url);
const FILES = 200;
/** Two unix sockets that are connected, one of TCP and one of UDP: nobody outside sees any of them. */
const SETS_OF_SOCKETS = 60;

/** `much`: it has hundreds of files and sockets open. */
export type Held = "little" | "much";

export interface RehearsalProgram extends Disposable {
  readonly pid: Pid;
}

/** @param failed told when it cannot be started; result: undefined then. @throws SyscallError */
export function startProgram(held: Held, failed: (error: Error) => void): RehearsalProgram | undefined {
  const more: Fd[] = [];
  try {
    if (held === "much") openMuch(more);
    const stdio: StdioOptions = ["ignore", "ignore", "ignore", ...more];
    const { pid } = spawn(PROGRAM, [LIFETIME_SECONDS], { cwd: "/", stdio, env: {} }).on("error", failed);
    return pid === undefined ? undefined : { pid: asPid(pid), [Symbol.dispose]: () => end(asPid(pid)) };
  } finally {
    closeAll(more);
  }
}

function openMuch(opened: Fd[]): void {
  for (let file = 0; file < FILES; file++) opened.push(sys.openat(AT_FDCWD, FILE, O.O_CLOEXEC, 0));
  const pair = new Int32Array(2);
  for (let set = 0; set < SETS_OF_SOCKETS; set++) {
    sys.socketpair(AF_UNIX, SOCK.SOCK_STREAM | SOCK.SOCK_CLOEXEC, 0, new Uint8Array(pair.buffer));
    opened.push(...Array.from(pair, asFd));
    for (const type of [SOCK.SOCK_STREAM, SOCK.SOCK_DGRAM])
      opened.push(sys.socket(AF_INET, type | SOCK.SOCK_CLOEXEC, 0));
  }
}

function end(pid: Pid): void {
  unless("ESRCH", () => sys.kill(pid, SIG.SIGKILL));
  unless("ECHILD", () => sys.wait4(pid, null, W.__WALL, null));
}
