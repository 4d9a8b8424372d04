// Documents that are made from tables in the source. `npm run docs` writes them, documents.test.ts compares.
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { codes } from "../../src/report/codes.js";

/** The text of each generated document, by its path in the repository. */
export const documents: Readonly<Record<string, () => string>> = {
  "docs/errors.md": errors,
};

export const pathOf = (document: string): string => fileURLToPath(new URL(`../../../${document}`, import.meta.url));

const classes = {
  refused: "We could go on and will not; the target is as it was before. The sentence ends with what to do instead.",
  failed: "The kernel or the disk said no.",
  invalid: "What was given to us is wrong: an option, a message, an image.",
  bug: "stasis itself is wrong.",
} as const;

function errors(): string {
  const row = (...cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(documents)) writeFileSync(pathOf(path), text());
}
