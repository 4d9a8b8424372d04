// uname(2)
import { release } from "node:os";

export function kernelIsAtLeast(major: number, minor: number): boolean {
  const [, ours = "0", oursMinor = "0"] = /^(\d+)\.(\d+)/.exec(release()) ?? [];
  return Number(ours) > major || (Number(ours) === major && Number(oursMinor) >= minor);
}
