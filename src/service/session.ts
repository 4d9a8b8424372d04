// What the requests of one connection share.
import type { Fd } from "../kernel/brand.js";
import { mergeGiven } from "../options/config.js";
import { type Given, givenIn, type Operation, type Options, settle } from "../options/index.js";
import { isSent } from "../options/option.js";
import type { CriuOpts, CriuReq, CriuReqType } from "../protocol/gen/rpc_pb.js";
import type { ResponseInit } from "../protocol/response.js";
import { StasisError } from "../report/error.js";
import type { LineLog } from "../report/log.js";
import { refuseForUser, type Standing } from "./access.js";
import { readConfiguration } from "./configuration.js";
import type { Engine } from "./engine.js";
import type { Peer } from "./peer.js";
import { openDirectory, openLog, openWorkspace, stderrLog, type Workspace } from "./workspace.js";

export interface Session {
  readonly socket: Fd;
  readonly peer: Peer;
  readonly engine: Engine;
  /** swrk: a child of the client, which may use what a child inherits. */
  readonly kind: "service" | "swrk";
  /** Whoever started swrk handed the socket to it, and is its owner. */
  readonly standing: Standing;
  /** Options of our own command line; those of a request come before them. */
  readonly given: Given;
  /** How long a client may say nothing between requests; absent or 0: for ever. */
  readonly idleSeconds?: number;
  /** For what happens outside of an operation. */
  readonly log: LineLog;
  /** Hears what is being done; absent: nobody watches. */
  readonly watched?: Watched;
}

export interface Watched {
  busyWith(type: CriuReqType): void;
  answered(): void;
}

export interface Answer {
  /** Undefined: the client gets none. */
  readonly response: ResponseInit | undefined;
  /** What swrk exits with. */
  readonly status: number;
  /** What is done when the client has it; result: what swrk exits with. */
  readonly afterwards?: () => number;
}
export type Handler = (request: CriuReq, session: Session) => Answer;

/** CRIU's name of a log that has none. */
const DEFAULT_LOG = "criu.log";

/**
 * What a request asks for, over what our own command line says, under what the request's configuration file says.
 * @throws StasisError for a request that needs options and has none, and for options that are refused
 */
export function optionsOf(request: CriuReq, operation: Operation, session: Session): Options {
  const { opts } = request;
  if (opts === undefined) throw withoutOpts(operation);
  if (session.kind === "service") refuseInherited(opts, operation);
  // CRIU takes the level from the request alone, be it the default.
  const { logLevel: _ours, ...given } = session.given;
  const asked = givenIn(opts);
  if (session.standing !== "owner") refuseForUser(asked);
  if (opts.logFile.includes("/"))
    throw needed("log_file", "it names a directory; set work_dir_fd to the directory of the log");
  return settle(underConfiguration(mergeGiven(given, asked)), operation);
}

/** Directories that the file names count more than those that the client has open. */
function underConfiguration(asked: Given): Given {
  if (typeof asked.configFile !== "string" || asked.configFile === "") return asked;
  const { logLevel: _theirs, ...file } = readConfiguration(asked.configFile);
  const { imagesDirFd, workDirFd, ...rest } = asked;
  return {
    ...mergeGiven(rest, file),
    ...(file.imagesDir === undefined ? { imagesDirFd } : {}),
    ...(file.workDir === undefined ? { workDirFd } : {}),
  };
}

const withoutOpts = (operation: Operation) =>
  new StasisError({
    code: "PROTOCOL",
    doing: operation,
    subject: { kind: "host", what: "anything" },
    reason: "the request has no options, and so no directory for the images",
  });

/** Fields that speak of the worker's own parent and descriptors: their presence alone is refused, as CRIU does. */
function refuseInherited(opts: CriuOpts, operation: Operation): void {
  for (const field of ["rstSibling", "inheritFd"] as const) {
    if (!isSent(opts, field)) continue;
    throw new StasisError({
      code: "OPTION_UNSUPPORTED",
      doing: `${operation} with`,
      subject: { kind: "option", name: field === "rstSibling" ? "rst_sibling" : "inherit_fd" },
      reason: "the service is no child of the client",
      remedy: "start stasis swrk as a child instead",
    });
  }
}

/** The workspace that a request names: by descriptors of the client, or by paths as we see them. */
export function workspaceOf(options: Options, { peer }: Session): Workspace {
  const { imagesDirFd, imagesDir, workDirFd, workDir, logToStderr, logFile, logLevel } = options;
  return openWorkspace({
    images() {
      if (imagesDirFd !== -1) return peer.directory(imagesDirFd, "images_dir_fd");
      if (imagesDir !== undefined) return openDirectory(imagesDir, "images_dir");
      throw needed("images_dir_fd", "it is not given, and neither is images_dir");
    },
    workDir() {
      if (workDirFd !== undefined) return peer.directory(workDirFd, "work_dir_fd");
      return workDir === undefined ? undefined : openDirectory(workDir, "work-dir");
    },
    log(at) {
      if (logToStderr) return stderrLog(logLevel);
      return openLog(logFile ?? DEFAULT_LOG, at, logLevel);
    },
  });
}

const needed = (option: string, reason: string) =>
  new StasisError({ code: "OPTION_INVALID", doing: "use", subject: { kind: "option", name: option }, reason });

/** What `ps` shows while a request is worked on. */
export function showTitle(text: string): void {
  process.title = `stasis: ${text}`;
}
