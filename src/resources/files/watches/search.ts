// Paths of inodes by a search: --force-irmap, --irmap-scan-path. Slow, and so confined to directories in which files are usually watched.
import { type BigIntStats, lstatSync, readdirSync } from "node:fs";
import { kernelDevice } from "../../../kernel/device.js";
import type { DumpContext } from "../../kind.js";
import type { Inode } from "./handle.js";

/** Where CRIU searches, too. */
const USUAL_PLACES = [
  "/etc",
  "/var/spool",
  "/var/log",
  "/usr/share/dbus-1/services",
  "/usr/share/dbus-1/system-services",
  "/var/lib/polkit-1/localauthority",
  "/usr/share/polkit-1/actions",
  "/lib/udev",
];

/** The searches of one dump: each directory is read at most once. */
export class InodeSearch {
  readonly #paths = new Map<string, string>();
  readonly #walks: Generator<[key: string, path: string]>[];

  constructor({ options }: { readonly options: Pick<DumpContext["options"], "irmapScanPaths"> }) {
    this.#walks = [...options.irmapScanPaths, ...USUAL_PLACES].map((place) => walk(place));
  }

  find({ device, inode }: Inode): string | undefined {
    const wanted = `${device}:${inode}`;
    const known = this.#paths.get(wanted);
    if (known !== undefined) return known;
    for (const [key, path] of this.#rest()) {
      this.#paths.set(key, path);
      if (key === wanted) return path;
    }
    return undefined;
  }

  *#rest(): Generator<[key: string, path: string]> {
    for (const one of this.#walks) {
      for (let step = one.next(); step.done !== true; step = one.next()) yield step.value;
    }
  }
}

function* walk(path: string): Generator<[key: string, path: string]> {
  const stat = lookUp(path);
  if (stat === undefined) return;
  yield [`${kernelDevice(stat.dev)}:${stat.ino}`, path];
  if (!stat.isDirectory()) return;
  for (const name of namesIn(path)) yield* walk(`${path === "/" ? "" : path}/${name}`);
}

/** None of a directory that somebody has removed since we saw it. */
function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR")) return [];
    throw error;
  }
}

const lookUp = (path: string): BigIntStats | undefined => lstatSync(path, { bigint: true, throwIfNoEntry: false });
