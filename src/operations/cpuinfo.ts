// CPUINFO_DUMP and CPUINFO_CHECK: the processor into an image, and this processor against the one in an image.
import { ImageDirectory } from "../images/directory.js";
import type { Fd } from "../kernel/brand.js";
import { StasisError } from "../report/error.js";
import { CPU_CAP_ALL, compareProcessor, describeProcessor } from "../resources/processor.js";

/** Writes cpuinfo.img. Throws StasisError. */
export function dumpProcessor(images: Fd): void {
  ImageDirectory.at(images).write("cpuinfo", undefined, [describeProcessor()]);
}

/** Whether what was dumped on the processor in cpuinfo.img can go on here; without a mode in `cap`, all are meant. Throws StasisError when not. */
export function checkProcessor(images: Fd, cap: number): void {
  compareProcessor(processorIn(ImageDirectory.at(images)), cap === 0 ? CPU_CAP_ALL : cap);
}

/** @throws StasisError IMAGE_MISSING when the dump did not write it */
export function processorIn(images: ImageDirectory) {
  const entry = images.readOptional("cpuinfo", undefined);
  if (entry !== undefined) return entry;
  throw new StasisError({
    code: "IMAGE_MISSING",
    doing: "compare processors with",
    subject: { kind: "image", file: "cpuinfo.img" },
    reason: "the file is not there",
    remedy: "dump with --cpu-cap, or restore without it",
  });
}
