// The socket that the service listens on, as a file: made, told from a stale one, removed. unix(7)
import { chownSync, lstatSync, rmSync, statSync } from "node:fs";
import type { Fd } from "../kernel/brand.js";
import { SyscallError } from "../kernel/errno.js";
import type { OwnFd } from "../kernel/own-fd.js";
import { bindTo, connectTo, listenOn, MAX_PATH_BYTES, newSocket } from "../kernel/packets.js";
import { StasisError } from "../report/error.js";

export const DEFAULT_ADDRESS = "criu_service.socket";
const PERMISSIONS = 0o777;

export interface Listening extends Disposable {
  readonly fd: Fd;
  readonly path: string;
}

const cannot = (path: string, reason: string, remedy?: string, cause?: unknown) =>
  new StasisError({
    code: "IO_FAILED",
    doing: "listen on",
    subject: { kind: "path", path },
    reason,
    ...(remedy === undefined ? {} : { remedy }),
    cause,
  });

/**
 * Binds and listens. A socket that nobody listens on any more is replaced; anything else at `path` stays, and is an error.
 * The result removes its file when it is disposed, unless somebody put another one there.
 * @throws StasisError IO_FAILED
 */
export function listenAt(path: string, mode: number, group?: number): Listening {
  const bytes = Buffer.byteLength(path);
  if (bytes === 0 || bytes > MAX_PATH_BYTES)
    throw cannot(
      path,
      `its path has ${bytes} bytes, a socket's has 1 to ${MAX_PATH_BYTES}`,
      "choose a shorter --address",
    );
  removeStale(path);
  const socket = newSocket();
  try {
    bindWithMode(socket, path, mode);
    if (group !== undefined) chownSync(path, -1, group);
    listenOn(socket.fd);
    const { dev, ino } = statSync(path, { bigint: true });
    return { fd: socket.fd, path, [Symbol.dispose]: () => dispose(socket, path, { dev, ino }) };
  } catch (error) {
    socket[Symbol.dispose]();
    throw error instanceof SyscallError ? cannot(path, `the kernel says ${error.errno}`, undefined, error) : error;
  }
}

/** By umask and not by chmod: at no moment has the file more permissions. */
function bindWithMode(socket: OwnFd, path: string, mode: number): void {
  const before = process.umask(PERMISSIONS & ~mode);
  try {
    bindTo(socket.fd, path);
  } finally {
    process.umask(before);
  }
}

function removeStale(path: string): void {
  const existing = lstatSync(path, { throwIfNoEntry: false });
  if (existing === undefined) return;
  if (!existing.isSocket())
    throw cannot(path, "something that is no socket is there", "remove it, or choose another --address");
  if (isAlive(path)) throw cannot(path, "another service listens there", "stop it, or choose another --address");
  rmSync(path);
}

function isAlive(path: string): boolean {
  using probe = newSocket({ nonBlocking: true });
  try {
    connectTo(probe.fd, path);
    return true;
  } catch (error) {
    // EAGAIN: its backlog is full. EPROTOTYPE: it is a socket of another type.
    if (error instanceof SyscallError) return error.errno === "EAGAIN" || error.errno === "EPROTOTYPE";
    throw error;
  }
}

function dispose(socket: OwnFd, path: string, ours: { dev: bigint; ino: bigint }): void {
  const now = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (now?.dev === ours.dev && now.ino === ours.ino) rmSync(path);
  socket[Symbol.dispose]();
}
