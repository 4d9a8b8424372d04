// `stasis service`: its start-up in CRIU's order, and its end.
import { rmSync, writeSync } from "node:fs";
import { asFd, type Fd } from "../kernel/brand.js";
import { unless } from "../kernel/errno.js";
import { sys } from "../kernel/syscalls.js";
import type { Options } from "../options/index.js";
import { StasisError } from "../report/error.js";
import type { LineLog } from "../report/log.js";
import { idOf, readAccess } from "./access.js";
import { DEFAULT_ADDRESS, listenAt } from "./listen.js";
import { createPidfile } from "./pidfile.js";
import { scriptRunner } from "./scripts.js";
import { Supervisor } from "./supervisor.js";
import { openDirectory, openLog, stderrLog } from "./workspace.js";

const DEFAULT_MODE = 0o666;

/** Runs until SIGTERM or SIGINT; then nothing of it is left. @throws StasisError when it cannot start, or cannot go on */
export async function runService(options: Options): Promise<void> {
  const { logFile, logLevel } = options;
  const mode = modeOf(options.socketMode);
  const access = readAccess(options.allowedUsers);
  const group = options.socketGroup === undefined ? undefined : idOf(options.socketGroup, "/etc/group");
  const workDir = options.workDir ?? options.imagesDir ?? ".";
  using directory = openDirectory(workDir, "work-dir");
  sys.fchdir(directory.fd);
  using log = logFile === undefined ? stderrLog(logLevel) : openLog(logFile, directory.fd, logLevel);
  using listening = listenAt(options.address ?? DEFAULT_ADDRESS, mode, group);
  using pidfile = createPidfile(options.pidfile);
  const supervisor = new Supervisor(listening.fd, {
    waiting: Math.min(options.workers, options.maxConnections),
    most: options.maxConnections,
    silentMs: options.hangSeconds * 1000,
    log,
    settings: { level: log.level, access, idleSeconds: options.idleSeconds },
  });
  const stop = (signal: NodeJS.Signals) => {
    log.info(`${signal}: the service ends`);
    supervisor.stop();
  };
  process.on("SIGTERM", stop).on("SIGINT", stop);
  process.title = "stasis: service";
  try {
    await supervisor.start();
    pidfile.write(process.pid);
    announce(options, directory.fd, log);
    log.info(`the service listens on ${listening.path}`);
    tellReady(options.statusFd);
    await supervisor.ended;
  } catch (error) {
    if (error instanceof StasisError) log.failure(error);
    throw error;
  } finally {
    if (options.pidfile !== undefined) rmSync(options.pidfile, { force: true });
    process.off("SIGTERM", stop).off("SIGINT", stop);
  }
}

function modeOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_MODE;
  if (/^[0-7]{3,4}$/.test(text)) return Number.parseInt(text, 8);
  throw new StasisError({
    code: "OPTION_INVALID",
    doing: "start with",
    subject: { kind: "option", name: "socket-mode" },
    reason: `${JSON.stringify(text)} is no mode; write three octal digits, as 660`,
  });
}

/** Action scripts of the service's own: they hear that it is ready, and nothing of what clients ask for. */
function announce({ actionScripts }: Options, workDir: Fd, log: LineLog): void {
  const scripts = scriptRunner(actionScripts, { images: workDir, workDir, log, rootPid: undefined });
  if (scripts.notify("status-ready")) return;
  throw new StasisError({
    code: "CANCELLED",
    doing: "start",
    subject: { kind: "host", what: "the service" },
    reason: "an action script refused status-ready",
    remedy: "have the script end with status 0",
  });
}

/** One zero byte for whoever waits, and the descriptor is closed. */
function tellReady(fd: number | undefined): void {
  if (fd === undefined) return;
  writeSync(fd, "\0");
  unless("EBADF", () => sys.close(asFd(fd)));
}
