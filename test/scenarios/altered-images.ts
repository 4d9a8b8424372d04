// Images that say of a process what it was not: for state that the machine at hand does not have.
import { ImageDirectory } from "../../src/images/directory.js";
import type { CoreEntry } from "../../src/images/format/entries.js";
import type { Program } from "../support/program.js";
import type { Service } from "./round-trip.js";

/** Dumps and ends a program, and changes its core; result: the directory of the images. */
export async function alteredImages(
  service: Service,
  program: Program,
  change: (core: CoreEntry) => void,
): Promise<string> {
  const { pid } = program;
  const imagesDirectory = service.images();
  await service.client.dump({ pid, imagesDirectory, fileLocks: true });
  await program.gone();
  ImageDirectory.open(imagesDirectory).images.amend("core", pid, change);
  return imagesDirectory;
}
