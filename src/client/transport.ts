// How connections come about: to a socket that a service listens on, or to a child that serves on a socket pair.
import { type ChildProcess, spawn as spawnChild } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { SyscallError, unless } from "../kernel/errno.js";
import { connectTo, MAX_PATH_BYTES, newSocket, newSocketPair, setNonBlocking } from "../kernel/packets.js";
import { Connection } from "./connection.js";
import { ConnectionFailed } from "./errors.js";

/** Opens one connection. Rejects with ConnectionFailed or the reason of the signal. */
export type Transport = (signal: AbortSignal) => Promise<Connection>;

/** The backlog of a busy service is full for as long as a worker takes to come. */
const RETRY_AFTER_MS = 20;

export function socketTransport(path: string): Transport {
  const bytes = Buffer.byteLength(path);
  if (bytes > MAX_PATH_BYTES)
    throw new ConnectionFailed(`the path of a socket has at most ${MAX_PATH_BYTES} bytes, this one ${bytes}: ${path}`);
  return async (signal) => {
    const socket = newSocket({ nonBlocking: true });
    try {
      while (!isConnected(() => connectTo(socket.fd, path))) await delay(RETRY_AFTER_MS, undefined, { signal });
      return new Connection(socket, async () => undefined);
    } catch (error) {
      socket[Symbol.dispose]();
      signal.throwIfAborted();
      if (!(error instanceof SyscallError)) throw error;
      throw new ConnectionFailed(`no service at ${path}: ${error.errno}`, { cause: error });
    }
  };
}

const isConnected = (connect: () => void): boolean => unless("EAGAIN", () => connect() ?? true) ?? false;

export interface SpawnOptions {
  /** Further arguments, behind `swrk FD`. */
  readonly arguments?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  /** Where its stdout and stderr go. */
  readonly output?: "ignore" | "inherit";
}

/** Where the child finds its end of the pair. */
const CHILD_FD = 3;

export function swrkTransport(program: string, options: SpawnOptions): Transport {
  const { arguments: more = [], environment = process.env, output = "ignore" } = options;
  return async (signal) => {
    signal.throwIfAborted();
    const [ours, theirs] = newSocketPair();
    try {
      setNonBlocking(ours.fd);
      const stdio = ["ignore", output, output, theirs.fd] as const;
      const child = spawnChild(program, ["swrk", String(CHILD_FD), ...more], { env: environment, stdio: [...stdio] });
      const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      await once(child, "spawn");
      return new Connection(ours, (aborted) => ended(child, exited, aborted));
    } catch (error) {
      ours[Symbol.dispose]();
      throw new ConnectionFailed(`${program} cannot be started: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    } finally {
      theirs[Symbol.dispose]();
    }
  };
}

/** The child ends by itself when its socket is closed; after an abort it is told to. */
async function ended(child: ChildProcess, exited: Promise<void>, aborted: boolean): Promise<void> {
  if (aborted) child.kill("SIGTERM");
  await exited;
}
