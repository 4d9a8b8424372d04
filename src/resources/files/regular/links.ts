// Files that lost the name by which they were opened while they have others: --link-remap. On a dump they get a name in the same
// directory, link_remap.N, that the images tell; it goes when the file is open again. Of a dump that leaves the program running it stays
// too: CRIU takes it away then, and nobody can restore its images.

import { existsSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { create } from "@bufbuild/protobuf";
import {
  RegFileEntrySchema,
  type RemapFilePathEntry,
  RemapFilePathEntrySchema,
  RemapType,
} from "../../../images/format/entries.js";
import { AT_EMPTY_PATH } from "../../../kernel/abi/fcntl.js";
import { AT_FDCWD } from "../../../kernel/brand.js";
import { unless } from "../../../kernel/errno.js";
import { sys } from "../../../kernel/syscalls.js";
import type { DumpContext, OpenFile } from "../../kind.js";
import { NO_OWNER } from "../common.js";
import { refuseFile } from "../refuse.js";

/** The links of one dump. */
export class LinkRemaps {
  /** The file entry of each link, by device and inode. */
  readonly #links = new Map<string, number>();
  readonly remaps: RemapFilePathEntry[] = [];
  #kept = false;

  constructor(private readonly context: DumpContext) {}

  /** `name`: what the file was called when it was opened; `fileId`: the entry that has that name. */
  add(file: OpenFile, name: string, fileId: number): void {
    const key = `${file.stat.dev}:${file.stat.ino}`;
    const known = this.#links.get(key) ?? this.#make(file, name);
    this.#links.set(key, known);
    this.remaps.push(create(RemapFilePathEntrySchema, { origId: fileId, remapId: known, remapType: RemapType.LINKED }));
  }

  /** The dump has succeeded, and its images name them. */
  keep(): void {
    this.#kept = true;
  }

  #make(file: OpenFile, name: string): number {
    const { stat, subject } = file;
    return this.context.files.addRegular((id) => {
      const path = this.context.isRunning ? name : linkNear(file, dirname(name), id);
      if (path === undefined)
        throw refuseFile(
          subject,
          "its name was removed, and no directory takes another link to it",
          "have it closed first",
        );
      this.context.scope.defer(() => {
        if (!this.#kept && !this.context.isRunning) unlinkSync(path);
      });
      return create(RegFileEntrySchema, {
        ...{ id, flags: 0, pos: 0n, fown: NO_OWNER, name: path, mntId: -1 },
        ...{ size: stat.size, mode: Number(stat.mode) },
      });
    });
  }
}

/** In the directory, or the nearest one above it that is still there. */
function linkNear({ duplicate }: Pick<OpenFile, "duplicate">, directory: string, id: number): string | undefined {
  const path = join(directory, freeName(directory, id));
  const linked = unless(["ENOENT", "ENOTDIR"], () => {
    sys.linkat(duplicate, "", AT_FDCWD, path, AT_EMPTY_PATH);
    return path;
  });
  return linked ?? (directory === "/" ? undefined : linkNear({ duplicate }, dirname(directory), id));
}

/** Another dump may have left the first one. */
function freeName(directory: string, id: number): string {
  for (let number = id; ; number += 1000) {
    const name = `link_remap.${number}`;
    if (!existsSync(join(directory, name))) return name;
  }
}
