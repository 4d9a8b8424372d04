// Rules of iptables that drop what belongs to TCP connections: --network-lock iptables, from a dump to the restore. The rules are CRIU's.
import { spawnSync } from "node:child_process";
import { type InetAddress, unmapped } from "../../../kernel/inet-address.js";
import { type Connection, PASSING_MARK } from "../../../kernel/netlink/nftables.js";
import { isInstalled } from "../../../kernel/path.js";
import { StasisError } from "../../../report/error.js";

/** Debian has two of each, which do not see each other's rules. CRIU takes the legacy one where there is one. */
const tools = { 4: ["iptables-legacy", "iptables"], 16: ["ip6tables-legacy", "ip6tables"] } as const;
type Family = keyof typeof tools;
const families = [4, 16] as const satisfies readonly Family[];

const ofFamily = (connections: readonly Connection[], family: Family) =>
  connections.filter(({ source }) => unmapped(source).bytes.byteLength === family);
const restorerOf = (family: Family) => tools[family].map((tool) => `${tool}-restore`).find(isInstalled);

/** @throws StasisError HOST_UNSUPPORTED when a tool that these connections need is not installed */
export function checkTools(connections: readonly Connection[]): void {
  for (const family of families) if (ofFamily(connections, family).length > 0) neededRestorer(family);
}

/** All or none of a family. Throws StasisError HOST_UNSUPPORTED, KERNEL_REFUSED. */
export function addRules(connections: readonly Connection[]): void {
  for (const family of families) {
    const rules = rulesFor("-I", ofFamily(connections, family));
    if (rules.length === 0) continue;
    const tool = neededRestorer(family);
    const failure = run(tool, rules);
    if (failure !== undefined) throw refused(`${tool} failed: ${failure}`);
  }
}

/** Those that are gone already are passed over. */
export function removeRules(connections: readonly Connection[]): void {
  for (const family of families) {
    const tool = restorerOf(family);
    if (tool === undefined) continue;
    for (const rule of rulesFor("-D", ofFamily(connections, family))) run(tool, [rule]);
  }
}

function neededRestorer(family: Family): string {
  const found = restorerOf(family);
  if (found !== undefined) return found;
  throw new StasisError({
    code: "HOST_UNSUPPORTED",
    doing: "close the network to the TCP connections of the tree",
    subject: { kind: "host", what: "netfilter" },
    reason: `--network-lock iptables was asked for, and ${tools[family][1]} is not installed`,
    remedy: "install it, or use --network-lock nftables, which needs no tool",
  });
}

function rulesFor(command: "-I" | "-D", connections: readonly Connection[]): string[] {
  return connections.flatMap(({ source, destination }) => [
    rule(command, "INPUT", unmapped(destination), unmapped(source)),
    rule(command, "OUTPUT", unmapped(source), unmapped(destination)),
  ]);
}

function rule(command: string, chain: string, from: InetAddress, to: InetAddress): string {
  const mark = `-m mark ! --mark 0x${PASSING_MARK.toString(16)}`;
  const ends = `-s ${textOf(from)} --sport ${from.port} -d ${textOf(to)} --dport ${to.port}`;
  return `${command} ${chain} -p tcp ${mark} ${ends} -j DROP`;
}

function textOf({ bytes }: InetAddress): string {
  if (bytes.byteLength === 4) return bytes.join(".");
  return Array.from({ length: 8 }, (_, index) =>
    Buffer.from(bytes)
      .readUInt16BE(index * 2)
      .toString(16),
  ).join(":");
}

/** Result: why it failed. */
function run(tool: string, rules: readonly string[]): string | undefined {
  const input = ["*filter", ...rules, "COMMIT", ""].join("\n");
  const { status, stderr, error } = spawnSync(tool, ["--noflush", "-w"], { input, encoding: "utf8" });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

const refused = (reason: string) =>
  new StasisError({
    code: "KERNEL_REFUSED",
    doing: "leave closed the network to the TCP connections of the tree",
    subject: { kind: "host", what: "netfilter" },
    reason,
  });
