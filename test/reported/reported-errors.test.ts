// Each error of docs/reported-errors.md is provoked, and what is said is what stands there.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { newScene, reportedErrors, type Scene } from "./reported-errors.js";

/** With names for what differs each time. */
function general(said: string, { directory }: Scene): string {
  return (
    said
      .replaceAll(directory, "DIR")
      .replaceAll(/\/tmp\/python3-[^/ "]+/g, "DIR")
      .replaceAll(/\bpid \d+/g, "pid PID")
      .replaceAll(/\b0x[0-9a-f]+/g, "N")
      .replaceAll("127.0.0.1", "LOCALHOST")
      // Not python3, and not the section of a manual.
      .replaceAll(/(?<!\w|\w\()\d+/g, "N")
      .replaceAll("LOCALHOST", "127.0.0.1")
  );
}

describe("errors that users of CRIU report", { concurrency: 2 }, () => {
  for (const { theirs, ours, provoke } of reportedErrors) {
    test(theirs, async (t) => {
      using scene = newScene();
      const said = await provoke(scene);
      if (said === undefined) return t.skip("this machine does not have it");
      assert.equal(general(said, scene), ours);
    });
  }
});
