// What this machine and this user must have for the demonstration; checked before anything that needs it is loaded.
import { readFileSync } from "node:fs";
import { release } from "node:os";

const LEAST_KERNEL = [6, 7] as const;
/** include/uapi/linux/capability.h */
const CAPABILITIES = { CAP_SYS_PTRACE: 19, CAP_SYS_ADMIN: 21, CAP_CHECKPOINT_RESTORE: 40 } as const;

/** What is missing, as a sentence; undefined: nothing. */
export function missing(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64")
    return `stasis runs on Linux on x86-64, and this is ${process.platform} on ${process.arch}.`;
  const [major = 0, minor = 0] = release().split(".").map(Number.parseFloat);
  if (major < LEAST_KERNEL[0] || (major === LEAST_KERNEL[0] && minor < LEAST_KERNEL[1]))
    return `stasis needs Linux ${LEAST_KERNEL.join(".")} or later, and this is ${release()}.`;
  const held = BigInt(`0x${/^CapEff:\s+(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`);
  const lacking = Object.entries(CAPABILITIES).filter(([, bit]) => (held & (1n << BigInt(bit))) === 0n);
  if (lacking.length > 0) return `Run it as root: ${lacking.map(([name]) => name).join(", ")} not held.`;
  return undefined;
}
