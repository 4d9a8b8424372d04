// Images that are damaged, files that are missing or changed: a restore says so, and leaves nothing of the tree behind.
import assert from "node:assert/strict";
import {
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import { ImageDirectory } from "../../src/images/directory.js";
import type { VmaEntry } from "../../src/images/format/entries.js";
import { VmaStatus } from "../../src/images/format/numbers.js";
import { encodeImage, openImages, readJson, writeJson } from "../../src/images/library.js";
import { PAGE_SIZE } from "../../src/kernel/abi/mman.js";
import { W } from "../../src/kernel/abi/process.js";
import { SIG } from "../../src/kernel/abi/signal.js";
import { asFd, asPid, type Pid } from "../../src/kernel/brand.js";
import { optionRing } from "../../src/kernel/option-ring.js";
import { listFds, readFdLink } from "../../src/kernel/proc/fdinfo.js";
import { readStat } from "../../src/kernel/proc/stat.js";
import { sys } from "../../src/kernel/syscalls.js";
import { restore } from "../../src/operations/restore.js";
import { settle } from "../../src/options/index.js";
import { restoreOptions } from "../../src/options/views.js";
import { explain } from "../../src/service/failure.js";
import { type Service, startService } from "../scenarios/round-trip.js";
import { type Program, startProgram } from "../support/program.js";

const nothing = () => undefined;
const log = { error: nothing, warn: nothing, info: nothing, debug: nothing };

const openFiles = () => listFds(asPid(process.pid)).map((fd) => `${fd} -> ${readFdLink(asPid(process.pid), fd)}`);

/** Restores in our own process, which is quick. Result: the sentence, or undefined when it went well; then it is ended again. */
function refusalOf(directory: string, pid: Pid): string | undefined {
  const earlier = openFiles();
  const images = asFd(openSync(directory, "r"));
  try {
    const options = restoreOptions(settle({}, "restore"));
    const { rootPid } = restore({ images, workDir: images, log, notify: () => true, options });
    sys.kill(rootPid, SIG.SIGKILL);
    sys.wait4(rootPid, null, W.__WALL, null);
    return undefined;
  } catch (error) {
    const explained = explain(error, "restore", { kind: "path", path: directory });
    assert.notEqual(explained.code, "BUG", String(explained.cause));
    return explained.message;
  } finally {
    closeSync(images);
    assert.deepEqual(openFiles(), earlier, "descriptors of ours are left open");
    assert.equal(readStat(pid), undefined, "something of the tree is left");
  }
}

/** No kernel has so many. */
const HIGH_PID = 5_000_000;

/** No damage may keep a restore busy for longer. */
const MOST_MS = 5000;
/** Damage that holds a restore up does so each time; a machine that has other things to do does not. */
const TRIES = 3;

interface Damage {
  readonly name: string;
  readonly how: string;
  readonly at: number;
  readonly bytes?: Uint8Array;
  readonly other?: string;
}

/** Where each record begins; magics come first. */
function recordsIn(image: Buffer): number[] {
  const starts: number[] = [];
  for (let at = 8; at + 4 <= image.length; at += 4 + image.readUInt32LE(at)) starts.push(at);
  return starts;
}

function damaged(image: Buffer, { how, at, bytes }: Damage): Buffer {
  const records = recordsIn(image);
  const record = records[at % Math.max(1, records.length)] ?? 0;
  const anywhere = at % image.length;
  if (how === "flip a bit") image[anywhere] = (image[anywhere] ?? 0) ^ (1 << (at % 8));
  else if (how === "blow up a length")
    image.writeUInt32LE([0x7fffffff, 0xffffffff, image.length, 1 << 26][at % 4] ?? 0, record);
  else if (how === "overwrite") image.set(bytes?.subarray(0, image.length - anywhere) ?? [], anywhere);
  else if (how === "cut at a record") return image.subarray(0, record);
  else return Buffer.concat([image, image.subarray(record)]);
  return image;
}

interface Dumped extends AsyncDisposable {
  readonly program: Program;
  readonly images: string;
}

describe("a restore that cannot be done", () => {
  let service: Service;
  before(async () => {
    service = await startService();
    optionRing(); // the process keeps it, once somebody has asked for options of sockets
  });
  after(() => service[Symbol.asyncDispose]());

  async function dumped(name: string, ...args: string[]): Promise<Dumped> {
    const program = await startProgram(name, { arguments: args });
    const images = service.images();
    await service.client.dump({ pid: program.pid, imagesDirectory: images });
    await program.gone();
    return { program, images, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
  }

  async function restoredWell({ program, images }: Dumped): Promise<void> {
    await service.client.restore({ imagesDirectory: images });
    program.signal("SIGUSR2");
    await program.waitFor("restored");
  }

  test("a file that is gone, changed in size or of another type is named", async () => {
    await using it = await dumped("refused", "file");
    const { pid, directory } = it.program;
    const path = join(directory, "kept");
    const spare = join(directory, "spare");
    const says = (reason: string) =>
      assert.equal(
        refusalOf(it.images, pid),
        `Cannot restore the file "${path}": ${reason}; put the file back as it was`,
      );
    renameSync(path, spare);
    says("it is gone");
    writeFileSync(path, "longer");
    says("it has 6 bytes now, and had 4 when it was dumped");
    rmSync(path);
    mkdirSync(path);
    says("it is of another type now");
    rmdirSync(path);
    renameSync(spare, path);
    await restoredWell(it);
  });

  test("an image that is missing, empty or cut short is named", async () => {
    await using it = await dumped("channels");
    // What the core says too, or what only CRIU and time namespaces ask for; without remaps a deleted file is one that is gone.
    const unneeded = /^(ids|seccomp|timens|remap-fpath|fdinfo)-?\d*\.img$/;
    const silent: string[] = [];
    for (const name of readdirSync(it.images).filter((file) => file.endsWith(".img") && !unneeded.test(file))) {
      const whole = readFileSync(join(it.images, name));
      const tryIt = (how: string) => {
        const said = refusalOf(it.images, it.program.pid) ?? "it was restored";
        if (!said.includes(name)) silent.push(`${name}, ${how}: ${said}`);
      };
      for (const length of [0, 6, whole.byteLength >> 1, whole.byteLength - 1]) {
        writeFileSync(join(it.images, name), whole.subarray(0, length));
        tryIt(`${length} of ${whole.byteLength} bytes`);
      }
      rmSync(join(it.images, name));
      tryIt("missing");
      writeFileSync(join(it.images, name), whole);
    }
    assert.deepEqual(silent, []);
    await restoredWell(it);
  });

  test("a deleted file that cannot be made again is named", async () => {
    await using it = await dumped("channels");
    const name = readdirSync(it.images).find((file) => /^ghost-file-\d+\.img$/.test(file)) ?? assert.fail();
    const path = join(it.images, name);
    const whole = readFileSync(path);
    const id = Number(/\d+/.exec(name)?.[0]);
    const json = writeJson(openImages(it.images).toJson("ghost-file", id)).replace(/"mode": \d+/, '"mode": 41471'); // a symbolic link, to nothing
    writeFileSync(path, encodeImage(readJson(json)));
    assert.match(
      refusalOf(it.images, it.program.pid) ?? "it was restored",
      /^Cannot restore the deleted file "\/.*": ENOENT: no such file or directory/,
    );
    writeFileSync(path, whole);
    await restoredWell(it);
  });

  test("a mapping that no address space can have is named", async () => {
    await using it = await dumped("channels");
    const { pid } = it.program;
    const { images } = ImageDirectory.open(it.images);
    const whole = readFileSync(join(it.images, `mm-${pid}.img`));
    const isVdso = ({ status }: VmaEntry) => (status & VmaStatus.AREA_VDSO) !== 0;
    const says = (change: (vdso: VmaEntry, vmas: VmaEntry[]) => void, reason: RegExp) => {
      images.amend("mm", pid, ({ vmas }) => change(vmas.find(isVdso) ?? assert.fail(), vmas));
      assert.match(refusalOf(it.images, pid) ?? "it was restored", reason);
      writeFileSync(join(it.images, `mm-${pid}.img`), whole);
    };
    // Found by the test below, in 4,000 damaged directories.
    says(
      (vdso) => (vdso.end = vdso.start - PAGE_SIZE),
      /^Cannot read the image mm-\d+\.img: its mapping .* ends before it begins$/,
    );
    says((vdso) => (vdso.end += 1n), /: its mapping .* does not consist of pages$/);
    says((vdso) => (vdso.end += 1n << 50n), /: its mapping .* is above all that a program may use$/);
    says((_, vmas) => vmas.splice(0, 2, ...vmas.slice(0, 2).reverse()), /: its mapping .* comes after /);
    await restoredWell(it);
  });

  test("a pid above those of this machine is told, with the setting", async () => {
    await using it = await dumped("refused", "file");
    const { pid } = it.program;
    ImageDirectory.open(it.images).images.amend("pstree", undefined, (entry) => {
      Object.assign(entry, { pid: HIGH_PID, pgid: HIGH_PID, sid: HIGH_PID, threads: [HIGH_PID] });
    });
    for (const name of readdirSync(it.images).filter((file) => file.endsWith(`-${pid}.img`)))
      renameSync(join(it.images, name), join(it.images, name.replace(`-${pid}.img`, `-${HIGH_PID}.img`)));
    assert.match(
      refusalOf(it.images, pid) ?? "it was restored",
      /^Cannot restore pid 5000000 "refused": it has the pid 5000000, and here they end at \d+ \(kernel.pid_max\); sysctl kernel.pid_max=4194304$/,
    );
  });

  for (const name of ["channels", "epoll-state", "inet-sockets", "pty-state", "timer-state", "unix-sockets"])
    test(`whatever is changed in the images of ${name}, it is refused in a sentence or restored`, () => changed(name));

  async function changed(program: string): Promise<void> {
    await using it = await dumped(program);
    const names = readdirSync(it.images).filter((file) => file.endsWith(".img") && !/^pages-/.test(file));
    const anywhere = { name: fc.constantFrom(...names), at: fc.nat() };
    const change: fc.Arbitrary<Damage> = fc.oneof(
      fc.record({ ...anywhere, how: fc.constant("overwrite"), bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }) }),
      fc.record({
        ...anywhere,
        how: fc.constantFrom("flip a bit", "cut at a record", "blow up a length", "repeat a record"),
      }),
      fc.record({ ...anywhere, how: fc.constant("put another file there"), other: fc.constantFrom(...names) }),
    );
    const kept = `${it.images}-kept`;
    cpSync(it.images, kept, { recursive: true });
    fc.assert(
      fc.property(change, (damage) => {
        const path = join(it.images, damage.name);
        const other = damage.other === undefined ? undefined : readFileSync(join(kept, damage.other));
        writeFileSync(path, other ?? damaged(readFileSync(path), damage));
        try {
          const tookMs = () => {
            const start = performance.now();
            refusalOf(it.images, it.program.pid);
            return performance.now() - start;
          };
          assert.ok(
            Array.from({ length: TRIES }).some(() => tookMs() < MOST_MS),
            "it took too long",
          );
        } finally {
          cpSync(join(kept, damage.name), path);
        }
        assert.ok(statSync(path).size > 0);
      }),
      { numRuns: Number(process.env["STASIS_DAMAGE_RUNS"] ?? 50) },
    );
  }
});
