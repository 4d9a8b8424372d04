// One row of docs/edge-cases.md: what CRIU 4.2 does, what we do, and why where that differs. edge-cases.test.ts brings each about.
import { CriuReqType, type CriuResp } from "../../../src/protocol/gen/rpc_pb.js";
import type { Session } from "../../../src/service/session.js";
import { exchange, type Request } from "../exchange.js";
import type { Fixtures } from "./fixtures.js";
import type { World } from "./world.js";

interface Row {
  readonly input: string;
  readonly theirs: string;
  readonly ours: string;
  /** Where we differ. */
  readonly why?: string;
}
/** Requests to one connection, with an engine that dumps nothing. */
export interface Asked extends Row {
  readonly kind?: Session["kind"];
  readonly ask: (fixtures: Fixtures) => readonly Request[];
  /** What is told besides type, success and errno. */
  readonly more?: (answers: readonly CriuResp[]) => string;
}
/** Something that is done, with the engine; the result is what came of it, in the words of the row. Undefined: this machine cannot show it. */
export interface Done extends Row {
  readonly act: (world: World) => Promise<string | undefined>;
}
export type EdgeCase = Asked | Done;

export const CLOSED = "closed, no answer";
export const LATER = "not supported yet: refused by name, before anything is done";

const shown = ({ type, success, crErrno }: CriuResp): string =>
  `${CriuReqType[type]} ${success ? "ok" : "false"}${crErrno === 0 ? "" : ` ${crErrno}`}`;

/** What came of requests, as in the table. */
export function outcomeOf({ ask, kind = "swrk", more }: Asked, at: Fixtures): string {
  const { answers } = exchange(ask(at), { kind });
  if (answers.length === 0) return CLOSED;
  return [...answers.map(shown), ...(more === undefined ? [] : [more(answers)])].join(", ");
}
