import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import type { PageRange } from "../../../src/images/pages/read.js";
import { asFd } from "../../../src/kernel/brand.js";
import { Comparison, differences } from "../../../src/resources/memory/inherit.js";

const PAGE = 4096;
const directory = mkdtempSync(join(tmpdir(), "inherit-"));
after(() => rmSync(directory, { recursive: true }));

/** What each page holds, undefined where the image has none. */
type Memory = readonly (number | undefined)[];

/** A pages file with that memory, and its ranges, cut where `cuts` says. */
function imageOf(name: string, memory: Memory, cuts: readonly boolean[]): PageRange[] & Disposable {
  const path = join(directory, name);
  const present = memory.flatMap((fill) => (fill === undefined ? [] : [Buffer.alloc(PAGE, fill)]));
  writeFileSync(path, Buffer.concat(present));
  const fd = asFd(openSync(path, "r"));
  const ranges: PageRange[] = [];
  let written = 0;
  memory.forEach((fill, page) => {
    if (fill === undefined) return;
    const last = ranges.at(-1);
    if (last?.source === "file" && last.vaddr + BigInt(last.pageCount * PAGE) === BigInt(page * PAGE) && !cuts[page])
      ranges[ranges.length - 1] = { ...last, pageCount: last.pageCount + 1 };
    else {
      const vaddr = BigInt(page * PAGE);
      ranges.push({ vaddr, pageCount: 1, flags: 4, source: "file", fd, fileOffset: written * PAGE, file: name });
    }
    written++;
  });
  return Object.assign(ranges, { [Symbol.dispose]: () => closeSync(fd) });
}

const PAGES = 24;
const pages = fc.array(fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }), {
  minLength: PAGES,
  maxLength: PAGES,
});
const cuts = fc.array(fc.boolean(), { minLength: PAGES, maxLength: PAGES });

test("a parent's memory with the differences applied is the child's", () => {
  fc.assert(
    fc.property(pages, pages, cuts, cuts, cuts, (child, parent, childCuts, parentCuts, inKept) => {
      using mine = imageOf("child", child, childCuts);
      using theirs = imageOf("parent", parent, parentCuts);
      const kept = inKept.flatMap((is, page) =>
        is ? [{ start: BigInt(page * PAGE), end: BigInt((page + 1) * PAGE) }] : [],
      );
      const { write, drop } = differences(mine, theirs, kept, new Comparison());
      const memory: (number | undefined)[] = parent.map((fill, page) => (inKept[page] ? fill : undefined));
      const pageOf = (address: bigint) => Number(address) / PAGE;
      for (const { start, end } of drop) memory.fill(undefined, pageOf(start), pageOf(end));
      let untouched = 0;
      for (const range of write) {
        assert.equal(range.source, "file");
        for (let page = 0; page < range.pageCount; page++) {
          const at = pageOf(range.vaddr) + page;
          if (inKept[at] && memory[at] === child[at]) untouched++;
          memory[at] = child[at];
        }
      }
      assert.deepEqual(memory, child);
      assert.equal(untouched, 0, "pages were written that the parent has with the same content");
    }),
  );
});

test("what is written is read from the place of the file where it stands", () => {
  using mine = imageOf("child", [1, 2, 3, undefined, 4], []);
  using theirs = imageOf("parent", [1, 9, 3, 3, undefined], []);
  const { write, drop } = differences(mine, theirs, [{ start: 0n, end: BigInt(5 * PAGE) }], new Comparison());
  const places = write.map((range) => range.source === "file" && [range.vaddr, range.pageCount, range.fileOffset]);
  assert.deepEqual(places, [
    [BigInt(PAGE), 1, PAGE],
    [BigInt(4 * PAGE), 1, 3 * PAGE],
  ]);
  assert.deepEqual(drop, [{ start: BigInt(3 * PAGE), end: BigInt(4 * PAGE) }]);
});
