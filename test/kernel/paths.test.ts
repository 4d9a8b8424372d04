import assert from "node:assert/strict";
import { closeSync, fstatSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { O } from "../../src/kernel/abi/fcntl.js";
import { SyscallError } from "../../src/kernel/errno.js";
import { modesAndSizesAt, openMany } from "../../src/kernel/paths.js";
import { type ModeAndSize, statAt } from "../../src/kernel/stat.js";

const directory = mkdtempSync(join(tmpdir(), "stasis-paths-"));
after(() => rmSync(directory, { recursive: true }));
const file = join(directory, "a");
writeFileSync(file, "four");
const link = join(directory, "link");
symlinkSync("a", link);
const far = `${directory}/${"./".repeat(300)}a`;
const umlaut = join(directory, "ä".repeat(100));
writeFileSync(umlaut, "");

test("many paths are looked up as one by one, long ones and absent ones too", () => {
  const paths = [file, `${file}-not-there`, link, far, umlaut, join(file, "below")];
  const many = Array.from({ length: 40 }, () => paths).flat();
  const asked = many.flatMap((path) => [true, false].map((follow) => ({ path, follow })));
  const seen = (there: ModeAndSize | undefined) => there && { mode: there.mode, size: there.size };
  assert.deepEqual(
    modesAndSizesAt(asked).map(seen),
    asked.map(({ path, follow }) => seen(statAt(path, { follow }))),
  );
});

test("what is the matter with a path is told as by the call itself", () => {
  const loop = join(directory, "loop");
  symlinkSync("loop", loop);
  assert.throws(
    () => modesAndSizesAt([{ path: loop, follow: true }]),
    (error) => error instanceof SyscallError && error.errno === "ELOOP",
  );
});

test("many paths are opened, each with its flags; who cannot be opened that way has no descriptor", () => {
  const paths = [file, `${file}-not-there`, far, directory];
  const fds = openMany(paths.map((path) => ({ path, flags: O.O_RDWR | O.O_CLOEXEC })));
  const [first, absent, long, ofDirectory] = fds;
  assert.deepEqual([absent, long, ofDirectory], [undefined, undefined, undefined]);
  assert.ok(first !== undefined);
  assert.equal(fstatSync(first).size, 4);
  closeSync(first);
});
