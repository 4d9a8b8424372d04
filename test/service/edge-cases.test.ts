import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { edgeCases, fixtures, outcomeOf } from "./edge-cases.js";

describe("a request with", () => {
  const at = fixtures();
  after(() => at[Symbol.dispose]());
  for (const edge of edgeCases) {
    test(edge.input, () => {
      assert.equal(outcomeOf(edge, at), edge.ours);
      assert.equal(
        edge.why === undefined,
        edge.ours === edge.theirs,
        "a difference has a reason, and nothing else has one",
      );
    });
  }
});
