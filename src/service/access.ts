// Who may ask the service. Root and the owner may do what the service may. Whoever is let in besides is served by a worker that has become
// them: the kernel then decides which processes they may trace, which credentials a restored process may have and which files are opened.
import { readFileSync } from "node:fs";
import { becomeUser, CAP_CHECKPOINT_RESTORE } from "../kernel/privileges.js";
import { StasisError } from "../report/error.js";
import type { Peer } from "./peer.js";

export interface Access {
  readonly anybody: boolean;
  readonly uids: readonly number[];
  readonly gids: readonly number[];
}
export const nobodyElse: Access = { anybody: false, uids: [], gids: [] };

/** "1000,@100,alice,@wheel" or "any". @throws StasisError OPTION_INVALID */
export function readAccess(text: string | undefined): Access {
  if (text === undefined) return nobodyElse;
  if (text === "any") return { ...nobodyElse, anybody: true };
  const words = text.split(",");
  const isGroup = (word: string) => word.startsWith("@");
  return {
    anybody: false,
    uids: words.filter((word) => !isGroup(word)).map((word) => idOf(word, "/etc/passwd")),
    gids: words.filter(isGroup).map((word) => idOf(word.slice(1), "/etc/group")),
  };
}

/** A number, or a name in a file of passwd(5) or group(5). */
export function idOf(word: string, file: string): number {
  if (/^\d{1,10}$/.test(word)) return Number(word);
  const line = readFileSync(file, "utf8")
    .split("\n")
    .find((one) => one.startsWith(`${word}:`));
  const id = line?.split(":")[2];
  if (word !== "" && id !== undefined) return Number(id);
  throw new StasisError({
    code: "OPTION_INVALID",
    doing: "start for",
    subject: { kind: "path", path: file },
    reason: `it has no entry ${JSON.stringify(word)}`,
  });
}

/** "owner": as the service itself; "user": as themselves; "stranger": not at all. */
export type Standing = "owner" | "user" | "stranger";

export function standingOf({ uid, gid, groups }: Peer, { anybody, uids, gids }: Access): Standing {
  if (uid === 0 || uid === process.geteuid?.()) return "owner";
  const admitted = anybody || uids.includes(uid) || [gid, ...groups].some((one) => gids.includes(one));
  return admitted ? "user" : "stranger";
}

/** Precondition: this worker serves nobody else afterwards. */
export function becomePeer({ uid, gid, groups }: Peer): void {
  becomeUser({ uid, gid, groups }, CAP_CHECKPOINT_RESTORE);
}

/** What would run a program, or read a file, beside what was checked. */
const forOwners = ["configFile", "execCmd"] as const;

/** @throws StasisError PEER_NOT_ALLOWED */
export function refuseForUser(given: { readonly [K in (typeof forOwners)[number]]?: unknown }): void {
  for (const name of forOwners) {
    const value = given[name];
    if (value === undefined || value === "" || (Array.isArray(value) && value.length === 0)) continue;
    throw new StasisError({
      code: "PEER_NOT_ALLOWED",
      doing: "serve a request with",
      subject: { kind: "option", name: name === "configFile" ? "config_file" : "exec_cmd" },
      reason: "it is for root and the owner of the service",
      remedy: "leave it out, or start stasis swrk yourself",
    });
  }
}
