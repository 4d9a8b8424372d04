// Programs of this machine, as a shell finds them: environ(7), PATH.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

export const isInstalled = (program: string): boolean =>
  (process.env["PATH"] ?? "").split(delimiter).some((directory) => existsSync(join(directory, program)));
