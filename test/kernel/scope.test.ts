import assert from "node:assert/strict";
import { test } from "node:test";
import { Scope } from "../../src/kernel/scope.js";

test("what was added last is given back first", () => {
  const order: string[] = [];
  {
    using scope = new Scope();
    scope.defer(() => order.push("first"));
    scope.use({ [Symbol.dispose]: () => order.push("second") });
    order.push("body");
  }
  assert.deepEqual(order, ["body", "second", "first"]);
});

test("a failure does not keep the rest from being given back", () => {
  const order: string[] = [];
  const run = () => {
    using scope = new Scope();
    scope.defer(() => order.push("first"));
    scope.defer(() => {
      throw new Error("broken");
    });
  };
  assert.throws(run, /broken/);
  assert.deepEqual(order, ["first"]);
});
