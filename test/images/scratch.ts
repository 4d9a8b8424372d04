// A directory for one test, and what is expected of errors.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { type InventoryEntry, InventoryEntrySchema } from "../../src/images/format/entries.js";
import { StasisError } from "../../src/report/error.js";

/** `using scratch = scratchDirectory()`: gone at the end of the scope. */
export function scratchDirectory(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "stasis-images-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

export const says = (text: string) => (error: unknown) => {
  if (error instanceof StasisError && error.message === text) return true;
  throw error;
};

export const inventory = (): InventoryEntry =>
  create(InventoryEntrySchema, { imgVersion: 2, fdinfoPerId: true, nsPerId: true, rootCgSet: 1, lsmtype: 0 });
