// The multicast groups that interfaces of our network namespace are in, whoever joined them: /proc/net/igmp, igmp6; net/ipv4/igmp.c, net/ipv6/mcast.c
import { readFileSync } from "node:fs";
import { ProcFormatError } from "./read.js";

export interface Membership {
  readonly interfaceIndex: number;
  /** 4 or 16 bytes. */
  readonly group: Uint8Array;
}

export const readIgmp = (): Membership[] => parseIgmp(readFileSync("/proc/net/igmp", "latin1"));
/** Empty where the kernel has no IPv6. */
export function readIgmp6(): Membership[] {
  try {
    return parseIgmp6(readFileSync("/proc/net/igmp6", "latin1"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

const DEVICE = /^(\d+)\t\S+\s*:/;
/** The address as one number of this machine's byte order. */
const GROUP = /^\t+([0-9A-F]{8})\s/;

/** A heading, then for each interface a line, and one for each group below it. Throws ProcFormatError. */
export function parseIgmp(text: string): Membership[] {
  const found: Membership[] = [];
  let interfaceIndex: number | undefined;
  for (const line of text.split("\n").slice(1)) {
    const device = DEVICE.exec(line)?.[1];
    const group = GROUP.exec(line)?.[1];
    if (device !== undefined) interfaceIndex = Number(device);
    else if (group !== undefined && interfaceIndex !== undefined)
      found.push({ interfaceIndex, group: Uint8Array.from(Buffer.from(group, "hex").reverse()) });
    else if (line !== "") throw new ProcFormatError("net/igmp", line);
  }
  return found;
}

const LINE6 = /^(\d+)\s+\S+\s+([0-9a-f]{32})\s/;

/** One line for each group of each interface. Throws ProcFormatError. */
export function parseIgmp6(text: string): Membership[] {
  return text.split("\n").flatMap((line) => {
    const [, index, group] = LINE6.exec(line) ?? [];
    if (index !== undefined && group !== undefined)
      return [{ interfaceIndex: Number(index), group: Uint8Array.from(Buffer.from(group, "hex")) }];
    if (line === "") return [];
    throw new ProcFormatError("net/igmp6", line);
  });
}
