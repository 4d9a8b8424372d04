import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { givenIn, readText, settle } from "../../src/options/index.js";
import { CriuOptsSchema } from "../../src/protocol/gen/rpc_pb.js";

test("the words add to what is compared anyhow, and ^ takes away", () => {
  const modes = {
    "": 15,
    all: 15,
    fpu: 13,
    ins: 13,
    cpu: 15,
    "^ins": 9,
    "^fpu": 12,
    "^fpu,^ins,cpu": 10,
    "^^cpu": 15,
    none: 0,
    "^none": 15,
  };
  for (const [text, mask] of Object.entries(modes)) assert.equal(readText("cpuCap", text, undefined), mask, text);
  assert.throws(() => readText("cpuCap", "fpu,sse", undefined), {
    message: 'Cannot read option cpu-cap: "sse" is none of fpu, ins, cpu, all, none, with or without ^',
  });
});

test("over RPC the field asks for the image by being there", () => {
  const over = (cpuCap?: number) =>
    settle(givenIn(create(CriuOptsSchema, cpuCap === undefined ? {} : { cpuCap })), "restore").cpuCap;
  assert.deepEqual([over(), over(0), over(4), over(0xffffffff)], [5, 8, 12, 0xffffffff]);
});
