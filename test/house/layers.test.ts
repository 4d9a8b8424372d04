// Who may import whom: the table of ARCHITECTURE.md, "Folders and what they may import".
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const src = join(root, "src");

/** A folder may import itself and what is in its row; "kernel/brand" stands for that file alone. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  kernel: [],
  report: ["kernel/brand", "kernel/errno"],
  protocol: ["kernel", "report"],
  options: ["protocol", "report", "kernel/brand"],
  "images/format": ["report/error", "report/codes", "kernel/brand"],
  images: ["images/format", "kernel", "report"],
  tracee: ["kernel", "report"],
  resources: ["tracee", "images", "images/format", "options", "kernel", "report"],
  operations: ["resources", "tracee", "images", "images/format", "options", "kernel", "report"],
  service: ["operations", "protocol", "options", "kernel", "report"],
  client: ["protocol", "options", "kernel", "report"],
  cli: [
    "client",
    "service",
    "operations",
    "resources",
    "options",
    "protocol",
    "images",
    "images/format",
    "kernel",
    "report",
  ],
  "index.ts": ["client", "report"],
};
/** Packages that one folder alone may name, so that replacing one is the work of that folder. */
const packageOf: Readonly<Record<string, readonly string[]>> = {
  koffi: ["kernel"],
  commander: ["cli"],
  "cli-progress": ["cli"],
};

interface Import {
  readonly target: string;
  readonly typesOnly: boolean;
}
const importsOf = new Map<string, readonly Import[]>();
for (const file of readdirSync(src, { recursive: true, encoding: "utf8" })) {
  if (file.endsWith(".ts")) importsOf.set(file, readImports(file));
}

function readImports(file: string): Import[] {
  const source = readFileSync(join(src, file), "utf8");
  const found = source.matchAll(/^(?:import|export)\s+(type\s)?(?:[\w$*{},\s]+\sfrom\s+)?"([^"]+)"/gm);
  return [...found].map(([, type, target = ""]) => ({
    target: target.startsWith(".") ? normalize(join(dirname(file), target)).replace(/\.js$/, ".ts") : target,
    typesOnly: type !== undefined,
  }));
}

function layerOf(file: string): string {
  if (file.startsWith(`images${sep}format${sep}`)) return "images/format";
  return file.split(sep)[0] ?? "";
}

function whyForbidden(file: string, { target }: Import): string | undefined {
  const layer = layerOf(file);
  if (target.startsWith("node:"))
    return layer === "images/format" ? `images/format/ runs without node, and so without ${target}` : undefined;
  if (!importsOf.has(target)) {
    const owners = packageOf[target];
    return owners?.includes(layer) === false ? `only ${owners.join(", ")}/ may import ${target}` : undefined;
  }
  const allowed = mayImport[layer] ?? [];
  const to = layerOf(target);
  const named = allowed.includes(target.replace(/\.ts$/, ""));
  return to === layer || allowed.includes(to) || named ? undefined : `${layer}/ must not import ${target}`;
}

test("every folder of src has its row in the table and in ARCHITECTURE.md", () => {
  const architecture = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
  for (const layer of new Set([...importsOf.keys()].map(layerOf))) {
    assert.ok(layer in mayImport, `src/${layer} is not in the table of this test`);
    const shown = layer.replace("images/format", "format");
    assert.ok(
      architecture.includes(`\`${shown}/\``) || layer.endsWith(".ts"),
      `ARCHITECTURE.md has no row for ${layer}/`,
    );
  }
});

test("every file imports only what stands below it", () => {
  const broken = [...importsOf].flatMap(([file, imports]) =>
    imports
      .map((one) => whyForbidden(file, one))
      .filter((why) => why !== undefined)
      .map((why) => `src/${file}: ${why}`),
  );
  assert.deepEqual(broken, []);
});

test("an import that goes the wrong way is named", () => {
  const why = (file: string, target: string) => whyForbidden(file, { target, typesOnly: false });
  assert.equal(why("operations/dump.ts", "koffi"), "only kernel/ may import koffi");
  assert.equal(why("tracee/wait.ts", "resources/kind.ts"), "tracee/ must not import resources/kind.ts");
  assert.equal(why("report/error.ts", "kernel/syscalls.ts"), "report/ must not import kernel/syscalls.ts");
  assert.match(why("images/format/record.ts", "node:fs") ?? "", /runs without node/);
  assert.equal(why("resources/kind.ts", "tracee/wait.ts"), undefined);
  assert.equal(why("report/error.ts", "kernel/brand.ts"), undefined);
});

test("no file imports itself around a corner", () => {
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), `a circle of imports: ${[...path.slice(path.indexOf(file)), file].join(" -> ")}`);
    if (done.has(file)) return;
    for (const { target, typesOnly } of importsOf.get(file) ?? []) if (!typesOnly) walk(target, [...path, file]);
    done.add(file);
  };
  for (const file of importsOf.keys()) walk(file, []);
});
