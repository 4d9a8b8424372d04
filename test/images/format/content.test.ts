import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { ImageDirectory } from "../../../src/images/directory.js";
import { recordsOf } from "../../../src/images/format/content.js";
import { GhostChunkEntrySchema, GhostFileEntrySchema } from "../../../src/images/format/entries.js";
import { imageOfFile, recordNames } from "../../../src/images/format/magic.js";
import { Bytes } from "../../../src/images/format/record.js";
import { writeEveryKind } from "../../peers/samples.js";
import { scratchDirectory } from "../scratch.js";

/** What is in each image of a directory: names of messages, with the bytes behind them. */
function contentsOf(directory: string): Map<string, string[]> {
  const contents = new Map<string, string[]>();
  for (const file of readdirSync(directory)) {
    const name = recordNames.find((one) => one === imageOfFile(file)?.name);
    if (name === undefined) continue;
    const records = [...recordsOf(name, file, new Bytes(readFileSync(join(directory, file))))];
    const told = records.map(({ schema, blob }) => (blob ? `${schema.name} ${Buffer.from(blob)}` : schema.name));
    contents.set(name, told);
  }
  return contents;
}

test("records of every kind are found, with the bytes that belong to them", () => {
  using scratch = scratchDirectory();
  writeEveryKind(ImageDirectory.create(scratch.path));
  const contents = contentsOf(scratch.path);
  assert.equal(contents.size, recordNames.length);
  const messages = ["IpcMsgEntry", "IpcMsg ab", "IpcMsg cd", "IpcMsg ef"];
  const expected: Record<string, string[]> = {
    core: ["CoreEntry"],
    pagemap: ["PagemapHead", "PagemapEntry"],
    "pagemap-shmem": ["PagemapHead", "PagemapEntry"],
    "pipes-data": ["PipeDataEntry ab"],
    "sk-queues": ["SkPacketEntry ab"],
    "tcp-stream": ["TcpStreamEntry iooo"],
    "ghost-file": ["GhostFileEntry whole content"],
    "bpfmap-data": ["BpfmapDataEntry kkvvv"],
    "ipcns-shm": ["IpcShmEntry ab"],
    "ipcns-sem": ["IpcSemEntry aabb"],
    "ipcns-msg": messages,
  };
  for (const [name, told] of Object.entries(expected)) assert.deepEqual(contents.get(name), told);
});

test("a large ghost file comes in chunks", () => {
  using scratch = scratchDirectory();
  const images = ImageDirectory.create(scratch.path);
  {
    using writer = images.writer("ghost-file", 26);
    writer.append(create(GhostFileEntrySchema, { uid: 0, gid: 0, mode: 0o100600, chunks: true, size: 20000n }));
    for (const [off, text] of [
      [0n, "start"],
      [19997n, "end"],
    ] as const) {
      writer.appendAs(GhostChunkEntrySchema, create(GhostChunkEntrySchema, { off, len: BigInt(text.length) }));
      writer.blob(Buffer.from(text));
    }
    writer.close();
  }
  const told = ["GhostFileEntry", "GhostChunkEntry start", "GhostChunkEntry end"];
  assert.deepEqual(contentsOf(scratch.path), new Map([["ghost-file", told]]));
});
