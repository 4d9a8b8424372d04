// Shared anonymous memory of images by older CRIU, which have no file entry for it: what mappings with the same number have in common.
import type { ImageDirectory } from "../../images/directory.js";
import type { Fd } from "../../kernel/brand.js";
import { sys } from "../../kernel/syscalls.js";
import type { Shape } from "./huge-pages.js";
import { fillObject, makeAnonymousObject } from "./shared-contents.js";

/** Made in our own process when first asked for; tasks fetch it from there as a file. */
export class RestoredSharedMemory implements Disposable {
  readonly #objects = new Map<bigint, Fd>();

  constructor(
    private readonly images: ImageDirectory,
    /** The images do not say how large each object was: as far as any mapping of it reaches. */
    private readonly shapes: ReadonlyMap<bigint, Shape>,
  ) {}

  /** Our descriptor for the object; it has its contents. */
  fd(id: bigint): Fd {
    const known = this.#objects.get(id);
    if (known !== undefined) return known;
    const shape = this.shapes.get(id);
    if (shape === undefined) throw new RangeError(`no mapping of shared memory ${id} was planned`);
    const fd = makeAnonymousObject(shape);
    this.#objects.set(id, fd);
    fillObject(this.images, id, fd, shape);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#objects.values()) sys.close(fd);
    this.#objects.clear();
  }
}
