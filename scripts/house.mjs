// `npm run house`: figures about the source, to look at and think, not limits. What is generated is left out.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import ts from "typescript";

const files = ["src", "test"].flatMap((top) =>
  readdirSync(top, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.includes("gen/"))
    .map((file) => join(top, file)),
);

/** Lines of each function that has a body, nested ones included. */
function functionLengths(source) {
  const lengths = [];
  const visit = (node) => {
    if (ts.isFunctionLike(node) && node.body !== undefined && ts.isBlock(node.body)) {
      const line = (at) => source.getLineAndCharacterOfPosition(at).line;
      lengths.push({
        lines: line(node.getEnd()) - line(node.getStart(source)) + 1,
        name: node.name?.getText(source) ?? "(unnamed)",
      });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return lengths;
}

const rank = (numbers, part) =>
  numbers.toSorted((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * part))] ?? 0;
const measured = files.map((file) => {
  const text = readFileSync(file, "utf8");
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  return {
    file,
    folder: dirname(file),
    lines: text.split("\n").length - 1,
    functions: functionLengths(source),
    any: (text.match(/noExplicitAny/g) ?? []).length,
  };
});

const row = (name, ...numbers) =>
  console.log(name.padEnd(26) + numbers.map((number) => String(number).padStart(9)).join(""));
row("folder", "files", "median", "p90", "longest", "fn med", "fn p90", "fn max");
for (const folder of [...new Set(measured.map((one) => one.folder))].sort()) {
  const here = measured.filter((one) => one.folder === folder);
  const lines = here.map((one) => one.lines);
  const lengths = here.flatMap((one) => one.functions.map(({ lines }) => lines));
  row(
    folder,
    here.length,
    rank(lines, 0.5),
    rank(lines, 0.9),
    Math.max(...lines),
    rank(lengths, 0.5),
    rank(lengths, 0.9),
    Math.max(0, ...lengths),
  );
}

const longest = measured
  .flatMap(({ file, functions }) => functions.map((one) => ({ file, ...one })))
  .toSorted((a, b) => b.lines - a.lines);
console.log("\nThe longest functions:");
for (const { file, name, lines } of longest.filter((one) => one.file.startsWith("src")).slice(0, 8))
  console.log(`  ${lines} lines  ${name} in ${file}`);
console.log("\nPlaces that need `any`, with their reason beside them:");
for (const { file, any } of measured.filter((one) => one.any > 0)) console.log(`  ${any}  ${file}`);

// Scatter: a kind that is named in many files is work to change.
const registry = readdirSync("src/resources/files", { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".ts"),
);
console.log("\nFiles of src outside its own that mention a kind of file:");
for (const kind of registry.map((file) => file.replace(/^.*\//, "").replace(".ts", ""))) {
  const others = measured.filter(
    ({ file }) =>
      file.startsWith("src/") && !file.endsWith(`/${kind}.ts`) && readFileSync(file, "utf8").includes(`/${kind}.js"`),
  );
  row(`  ${kind}`, others.length);
}
