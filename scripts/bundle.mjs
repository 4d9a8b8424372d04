// The second half of `npm run build`: the program as a few files, dist/program. Node needs as long to find and read the five hundred modules
// of dist/src as the rest of a dump takes.
import { readdirSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const outdir = `${root}dist/program`;

const { metafile } = await build({
  metafile: true,
  absWorkingDir: root,
  // All in one folder: each finds worker-main.js beside itself, as in dist/src/service.
  entryPoints: { stasis: "src/cli/main.ts", "worker-main": "src/service/worker-main.ts" },
  outdir,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  sourcemap: "linked",
  // It loads a native part that stands beside its own files.
  external: ["koffi"],
  // What it has of CommonJS (commander, cli-progress) asks for modules of Node.
  banner: {
    js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
  },
  logLevel: "warning",
});

// The names of shared files change with what is in them: those of an earlier build go. The others are never away, for a service that runs.
const made = new Set(Object.keys(metafile.outputs).map((path) => basename(path)));
for (const name of readdirSync(outdir)) if (!made.has(name)) rmSync(`${outdir}/${name}`);
