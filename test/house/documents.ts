// Documents that are made from tables in the source. `npm run docs` writes them, documents.test.ts compares.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { manualPage } from "../../src/cli/manual.js";
import { codes } from "../../src/report/codes.js";
import { type AnyKind, fileKinds, namelessKinds } from "../../src/resources/index.js";
import { memoryLimits } from "../../src/resources/memory/limits.js";
import { taskParts } from "../../src/resources/task/index.js";
import { reportedErrors } from "../reported/reported-errors.js";
import type { EdgeCase } from "../service/edge-cases/case.js";
import { edgeCases } from "../service/edge-cases/index.js";

/** The text of each generated document, by its path in the repository. */
export const documents: Readonly<Record<string, () => string>> = {
  "docs/edge-cases.md": oddRequests,
  "docs/errors.md": errors,
  "docs/reported-errors.md": reported,
  "docs/stasis.1": manualPage,
  "docs/support.md": support,
};

export const pathOf = (document: string): string => fileURLToPath(new URL(`../../../${document}`, import.meta.url));

const classes = {
  refused: "We could go on and will not; the target is as it was before. The sentence ends with what to do instead.",
  failed: "The kernel or the disk said no.",
  invalid: "What was given to us is wrong: an option, a message, an image.",
  bug: "stasis itself is wrong.",
} as const;

const row = (...cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;

function oddRequests(): string {
  const cells = ({ input, theirs, ours, why = "" }: EdgeCase) =>
    row(input, theirs, ours === theirs ? "the same" : ours, why);
  const sections = Object.entries(edgeCases).flatMap(([title, rows]) => [
    `## ${title}`,
    "",
    "| what | CRIU 4.2 | stasis | why |",
    "|---|---|---|---|",
    ...rows.map(cells),
    "",
  ]);
  return [
    "<!-- Made by `npm run docs` from test/service/edge-cases. -->",
    "# Odd requests and situations",
    "",
    "What CRIU 4.2 does with requests, processes and images that are wrong or odd, and what stasis does: all deliberate differences are in the",
    "last column. The number is `cr_errno`: 3 ESRCH, 13 EACCES, 17 EEXIST, 56 EBADRQC. Under Requests `ok` says that the request is taken: they are",
    "tested without an engine. Each row is a test (test/service/edge-cases.test.ts).",
    "",
    ...sections,
  ].join("\n");
}

function reported(): string {
  const issue = (number: number) => `[#${number}](https://github.com/checkpoint-restore/criu/issues/${number})`;
  const rows = reportedErrors.map(({ theirs, issues, ours }) =>
    row(`\`${theirs}\``, `\`${ours.replaceAll("|", "\\|")}\``, issues.map(issue).join(" ")),
  );
  return [
    "<!-- Made by `npm run docs` from test/reported/reported-errors.ts. -->",
    "# Errors that users of CRIU report",
    "",
    "Messages that were found most often in CRIU's issues, and what stasis says in the same situation. Each row is a test that brings the",
    "situation about; N, PID and DIR stand for what differs each time. `stasis explain PID` says most of them before anything is stopped.",
    "",
    "| CRIU | stasis | reported in |",
    "|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function errors(): string {
  const meanings = Object.entries(classes).map(([name, meaning]) => row(name, meaning));
  const rows = Object.entries(codes).map(([code, info]) =>
    row(`\`${code}\``, info.class, info.crErrno || "", info.meaning),
  );
  return [
    "<!-- Made by `npm run docs` from src/report/codes.ts. -->",
    "# Errors",
    "",
    "Every failure is one sentence: *Cannot* what was being done, to which object, *:* the reason, *;* what to do about it. The same",
    "sentence is on the terminal, in the log, and in `cr_errmsg` of the RPC.",
    "",
    "| class | meaning |",
    "|---|---|",
    ...meanings,
    "",
    "| code | class | `cr_errno` | meaning |",
    "|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

function support(): string {
  const kinds = [...Object.values<AnyKind>(fileKinds), ...namelessKinds];
  const files = kinds.map((kind) =>
    kind.support === "full"
      ? row(`\`${kind.type}\``, kind.summary, "yes", (kind.limits ?? []).join("; "))
      : row(kind.type ? `\`${kind.type}\`` : "", kind.summary, "refused", kind.remedy),
  );
  const parts = taskParts.map(({ name, of, limits = [] }) => row(name, of, limits.join("; ")));
  const refusals = Object.entries(codes).filter(([code]) => code.endsWith("_UNSUPPORTED"));
  return [
    "<!-- Made by `npm run docs` from src/resources/index.ts, src/resources/task/index.ts and src/report/codes.ts. -->",
    "# What is carried over",
    "",
    "What stands here as *refused* is found before anything is changed: the dump fails with a sentence that names the process, the object and",
    "the reason, and the program runs on.",
    "",
    "## Open files",
    "",
    "The first column is the name in the image format.",
    "",
    "| kind | what it is | dumped and restored | limits, or what to do instead |",
    "|---|---|---|---|",
    ...files,
    "",
    "## Memory",
    "",
    "Mappings of every kind are carried over, with these limits.",
    "",
    "| what | limits |",
    "|---|---|",
    ...memoryLimits.map(({ what, limits }) => row(what, limits.join("; "))),
    "",
    "## State of processes and threads",
    "",
    "| state | of each | limits |",
    "|---|---|---|",
    ...parts,
    "",
    "## Refusals",
    "",
    "All codes are in [errors.md](errors.md); these say that something is not supported.",
    "",
    "| code | meaning |",
    "|---|---|",
    ...refusals.map(([code, { meaning }]) => row(`\`${code}\``, meaning)),
    "",
  ].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(documents)) writeFileSync(pathOf(path), text());
}
