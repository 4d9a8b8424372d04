import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { documents, pathOf } from "./documents.js";

for (const [path, text] of Object.entries(documents)) {
  test(`${path} is what its table says`, () => {
    const written = existsSync(pathOf(path)) ? readFileSync(pathOf(path), "utf8") : "";
    assert.equal(written, text(), "run `npm run docs`");
  });
}
