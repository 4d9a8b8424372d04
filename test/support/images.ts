// Places for images, of one test file.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

/** A directory that goes when the tests are over, and in it a new one for images each time that `images` is called. */
export function placeFor(name: string): { readonly directory: string; readonly images: () => string } {
  const directory = mkdtempSync(join(tmpdir(), `${name}-`));
  after(() => rmSync(directory, { recursive: true }));
  let made = 0;
  return {
    directory,
    images() {
      const path = join(directory, `images-${++made}`);
      mkdirSync(path);
      return path;
    },
  };
}
