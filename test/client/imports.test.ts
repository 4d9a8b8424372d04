import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const src = fileURLToPath(new URL("../../src/", import.meta.url));

/** Every module of ours that `file` loads, by itself or through others. */
function loaded(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, target = ""] of readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?"(\.[^"]+)"/g))
    loaded(join(dirname(file), target), found);
  return found;
}

test("the package's main export loads no engine", () => {
  const modules = [...loaded(join(src, "index.js"))].map((file) => relative(src, file));
  assert.ok(modules.includes("client/client.js"));
  const folders = new Set(modules.map((file) => file.split("/")[0]));
  assert.deepEqual([...folders].toSorted(), ["client", "index.js", "kernel", "protocol", "report"]);
});

/** Native libraries of ours that a program has loaded when it has imported `file`, and made a client. */
function librariesOf(file: string, more: string): string[] {
  const code = `const it = await import(${JSON.stringify(join(src, file))}); ${more};
process.stdout.write(JSON.stringify(process.report.getReport().sharedObjects));`;
  const all: string[] = JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" }),
  );
  return all.filter((library) => library.endsWith(".node"));
}

test("neither the client nor the image library loads a native library to be imported", () => {
  assert.deepEqual(librariesOf("index.js", 'it.connect("/nowhere")'), []);
  assert.deepEqual(librariesOf("images/library.js", 'it.openImages("/")'), []);
  const [koffi] = librariesOf("index.js", 'await it.connect("/nowhere").version().catch(() => undefined)');
  assert.match(koffi ?? "none", /koffi/);
});

test("the image library makes no system call of its own", () => {
  const modules = [...loaded(join(src, "images/library.js"))].map((file) => relative(src, file));
  const outside = modules.filter((file) => !/^(images|report)\//.test(file));
  assert.deepEqual(outside.toSorted(), ["kernel/brand.js", "kernel/errno.js"]);
});
