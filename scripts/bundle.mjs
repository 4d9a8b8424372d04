// The second half of `npm run build`: the program as a few files, dist/program. Node needs as long to find and read the five hundred modules
// of dist/src as the rest of a dump takes.
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const outdir = `${root}dist/program`;

// The names of shared files change with what is in them: those of the last build would stay.
rmSync(outdir, { recursive: true, force: true });
await build({
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
