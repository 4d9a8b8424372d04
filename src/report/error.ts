// What a user can meet: one sentence that says what was being done, to whom, why it failed and what to do about it.
import type { Address, Pid, TargetFd } from "../kernel/brand.js";
import { type Code, type CodeOf, codes, type ErrorClass } from "./codes.js";

/** What a sentence is about. Closed: each kind has one way of being shown. */
export type Subject =
  /** Without `comm`: a process that is not there, or was not looked at. */
  | { readonly kind: "process"; readonly pid: Pid; readonly comm?: string }
  | { readonly kind: "file"; readonly pid: Pid; readonly comm: string; readonly fd: TargetFd; readonly link: string }
  | {
      readonly kind: "mapping";
      readonly pid: Pid;
      readonly comm: string;
      readonly start: Address;
      readonly end: Address;
      readonly path: string;
    }
  | { readonly kind: "image"; readonly file: string; readonly record?: number }
  | { readonly kind: "option"; readonly name: string }
  | { readonly kind: "request"; readonly type: string }
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "host"; readonly what: string };

interface Facts {
  /** What we were doing, as an infinitive: "dump the file", "restore the mapping". */
  readonly doing: string;
  readonly subject: Subject;
  readonly reason: string;
  /** For the log; never part of the sentence. */
  readonly cause?: unknown;
}

/** Whoever refuses says what to do instead: an option, a package, a capability. Elsewhere a remedy is welcome. */
export type Report =
  | (Facts & { readonly code: CodeOf<"refused">; readonly remedy: string })
  | (Facts & { readonly code: CodeOf<"failed" | "invalid" | "bug">; readonly remedy?: string });

export class StasisError extends Error {
  override readonly name = "StasisError";
  readonly code: Code;

  constructor(readonly report: Report) {
    super(sentence(report), report.cause === undefined ? undefined : { cause: report.cause });
    this.code = report.code;
  }

  /** We would not, or were asked for what cannot be: nothing has gone wrong with us. */
  get isRefusal(): boolean {
    return REFUSALS.has(codes[this.code].class);
  }

  /** What criurpc's `cr_errno` carries; 0: nothing. */
  get crErrno(): number {
    return codes[this.code].crErrno;
  }
}

const REFUSALS: ReadonlySet<ErrorClass> = new Set(["refused", "invalid"]);

function sentence({ doing, subject, reason, remedy }: Report): string {
  return `Cannot ${doing} ${showSubject(subject)}: ${reason}${remedy === undefined ? "" : `; ${remedy}`}`;
}

const hex = (value: bigint) => value.toString(16);

export function showSubject(subject: Subject): string {
  switch (subject.kind) {
    case "process":
      return subject.comm === undefined ? `pid ${subject.pid}` : `pid ${subject.pid} "${subject.comm}"`;
    case "file":
      return `fd ${subject.fd} -> ${subject.link} of pid ${subject.pid} "${subject.comm}"`;
    case "mapping":
      return `${hex(subject.start)}-${hex(subject.end)} ${subject.path || "(anonymous)"} of pid ${subject.pid} "${subject.comm}"`;
    case "image":
      return subject.record === undefined ? subject.file : `${subject.file}, record ${subject.record}`;
    case "option":
      return `option ${subject.name}`;
    case "request":
      return `request ${subject.type}`;
    case "path":
      return JSON.stringify(subject.path);
    case "host":
      return subject.what;
  }
}
