// Descriptors that requests name.
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Fixtures extends Disposable {
  readonly images: number;
  readonly file: number;
  readonly deleted: number;
  readonly device: number;
  readonly proc: number;
  readonly path: string;
}

export function fixtures(): Fixtures {
  const path = mkdtempSync(join(tmpdir(), "edge-cases-"));
  const gone = join(path, "gone");
  mkdirSync(gone);
  writeFileSync(join(path, "file"), "");
  writeFileSync(join(path, "unknown.conf"), "frobnicate\n");
  writeFileSync(join(path, "quote.conf"), 'log-file "x\n');
  const fds = [path, join(path, "file"), gone, "/dev/null", "/proc"].map((name) => openSync(name, "r"));
  rmSync(gone, { recursive: true });
  const [images = -1, file = -1, deleted = -1, device = -1, proc = -1] = fds;
  const dispose = () => {
    for (const fd of fds) closeSync(fd);
    rmSync(path, { recursive: true });
  };
  return { images, file, deleted, device, proc, path, [Symbol.dispose]: dispose };
}
