// How far an operation is, for whoever asked with `progress_fd`: a line of JSON each time, on a descriptor of the client's.
import { POLL, pollfd } from "../kernel/abi/socket.js";
import type { Fd } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { sys } from "../kernel/syscalls.js";
import type { OnProgress, Progress } from "../report/progress.js";

const EVERY_MS = 100;

/** What cannot be written at once is left out: no operation waits for somebody who does not read, or fails because they are gone. */
export function progressTo(fd: Fd): OnProgress {
  let last = Number.NEGATIVE_INFINITY;
  return (reached) => {
    const now = performance.now();
    const isLast = reached.totalBytes > 0 && reached.doneBytes === reached.totalBytes;
    if (now - last < EVERY_MS && !isLast) return;
    last = now;
    write(fd, reached);
  };
}

/** A line is shorter than PIPE_BUF: a pipe that is writable takes all of it. */
function write(fd: Fd, { operation, doneBytes, totalBytes }: Progress): void {
  const line = Buffer.from(`${JSON.stringify({ operation, doneBytes, totalBytes })}\n`);
  if (!isWritable(fd)) return;
  unless(["EPIPE", "EAGAIN", "ECONNRESET"], () => sys.write(fd, line, line.byteLength));
}

function isWritable(fd: Fd): boolean {
  const asked = pollfd.encode({ fd, events: POLL.POLLOUT, revents: 0 });
  return sys.poll(asked, 1, 0) > 0 && (pollfd.decode(asked).revents & POLL.POLLOUT) !== 0;
}
