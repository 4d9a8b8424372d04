// What is in a dump: processes, open files, memory. Needs no privilege, no service and no Linux.
// node dist/docs/examples/look-into-images.js DIRECTORY
import { FdType, openImages } from "stasis/images";

const [, , directory = ""] = process.argv;
const images = openImages(directory);
console.log(images.complete ? "a whole dump" : "a dump that was not finished");

const files = new Map(images.entries("files").map((file) => [file.id, file]));
for (const { pid, ppid, threads } of images.entries("pstree")) {
  const [core] = images.entries("core", pid);
  console.log(`pid ${pid}, child of ${ppid}: ${core?.tc?.comm}, ${threads.length} threads`);
  const [ids] = images.entries("ids", pid);
  for (const { fd, id } of images.entries("fdinfo", ids?.filesId)) {
    const file = files.get(id);
    console.log(`  ${fd}: ${file?.reg?.name ?? FdType[file?.type ?? 0]}`);
  }
  let bytes = 0;
  // Page by page, those of parent images too; never all at once.
  for await (const pages of images.pages(pid)) bytes += pages.bytes?.byteLength ?? 0;
  console.log(`  ${bytes} bytes of memory`);
}
for (const { path } of images.chain()) console.log(`images in ${path}`);
