// What can go wrong with a call, and how to tell: each is an error of its own kind.
// node dist/docs/examples/when-it-fails.js SOCKET PID DIRECTORY
import { ConnectionClosed, ConnectionFailed, CriuRequestError, connect, RequestUnknown } from "stasis";

const [, , socket = "", pid = "", imagesDirectory = ""] = process.argv;

const ESRCH = 3;
const EACCES = 13;
const EEXIST = 17;
const EBADRQC = 56;
const meanings: Readonly<Record<number, string>> = {
  [ESRCH]: "there is no such process, or it cannot be stopped",
  [EACCES]: "the service does not let us in",
  [EEXIST]: "a pid that the restore needs is taken",
  [EBADRQC]: "an option is wrong, or is not supported",
};

function explain(error: unknown): string {
  // The service has answered; its sentence names process, object, reason and remedy.
  if (error instanceof CriuRequestError) return `${meanings[error.crErrno] ?? "it failed"}\n${error.crErrmsg}`;
  if (error instanceof ConnectionFailed) return `nobody serves there: ${error.message}`;
  if (error instanceof RequestUnknown) return `the service is older than ${error.request}`;
  if (error instanceof ConnectionClosed) return `the service went away: ${error.message}`;
  if (error instanceof Error && error.name === "TimeoutError") return "it took too long, and was given up";
  throw error;
}

try {
  await connect(socket).dump({ pid: Number(pid), imagesDirectory, leaveRunning: true }, { timeoutMs: 60_000 });
  console.log("dumped");
} catch (error) {
  console.log(explain(error));
}
