import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { outcomeOf } from "./edge-cases/case.js";
import { fixtures } from "./edge-cases/fixtures.js";
import { edgeCases } from "./edge-cases/index.js";
import { World } from "./edge-cases/world.js";

for (const [section, rows] of Object.entries(edgeCases)) {
  describe(section, () => {
    const at = fixtures();
    let world: World | undefined;
    before(async () => {
      if (rows.some((row) => "act" in row)) world = await World.begin();
    });
    after(async () => {
      at[Symbol.dispose]();
      await world?.[Symbol.asyncDispose]();
    });
    for (const row of rows) {
      test(row.input, async (t) => {
        assert.equal(
          row.why === undefined,
          row.ours === row.theirs,
          "a difference has a reason, and nothing else has one",
        );
        const outcome = "ask" in row ? outcomeOf(row, at) : world && (await row.act(world));
        if (outcome === undefined) t.skip("this machine cannot show it");
        else assert.equal(outcome, row.ours);
      });
    }
  });
}
