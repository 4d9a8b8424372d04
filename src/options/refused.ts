// The options that are known and not supported yet: each is refused by name, with what to do instead. Alphabetical.
import type { CriuOpts } from "../protocol/gen/rpc_pb.js";
import { readTag39 } from "../protocol/tag-39.js";
import { type Operation, type Option, type RpcField, sent } from "./option.js";

const dump = ["dump"] as const;
const restore = ["restore"] as const;
const both = ["dump", "restore"] as const;

/** Whether a value asks for nothing: absent, off, or what CRIU does without the option. */
const isNeutral = (value: unknown, neutral: readonly unknown[]) =>
  value === undefined ||
  value === false ||
  value === "" ||
  (Array.isArray(value) && value.length === 0) ||
  neutral.includes(value);

interface Details<A extends Operation> {
  readonly applies: readonly A[];
  /** What the user did, as the sentence after the option's name. */
  readonly reason: string;
  readonly remedy: string;
  readonly cli?: string | null;
  readonly short?: string;
  readonly argument?: Option<unknown>["argument"];
  readonly neutral?: readonly unknown[];
  readonly fromRpc?: (opts: CriuOpts) => unknown;
}

/** The command line's word is the field's with dashes, unless given; null: there is none. */
function refused<const R extends RpcField | undefined, A extends Operation>(
  rpc: R,
  details: Details<A>,
): Option<unknown, R, A> {
  const { applies, reason, remedy, cli, short, argument = "none", neutral = [], fromRpc } = details;
  return {
    cli: cli === null ? undefined : (cli ?? rpc?.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)),
    ...(short === undefined ? {} : { short }),
    argument,
    isRefused: true,
    rpc,
    applies,
    default: undefined,
    summary: `not supported yet: ${reason}`,
    fromRpc: fromRpc ?? ((opts) => sent(opts, rpc)),
    // An argument that is given asks for something even when it is empty.
    fromText: (text) => (argument === "none" ? text !== "no" : text || true),
    merge: (_earlier, later) => later,
    objection: (value) => (isNeutral(value, neutral) ? undefined : { kind: "unsupported", reason, remedy }),
  };
}

const mounts = {
  reason: "mount namespaces are not supported yet",
  remedy: "run the program in our own mount namespace",
};
const networks = {
  reason: "network namespaces are not supported yet",
  remedy: "run the program in our own network namespace",
};
const cgroups = {
  reason: "cgroups are not put into the images yet",
  remedy: "leave it out and place the restored processes yourself",
};
const pageServer = { reason: "page servers are not supported yet", remedy: "dump to a directory and copy it" };
const steps = {
  reason: "dumps in several steps are not supported yet",
  remedy: "leave it out and dump everything at once",
};
const modules = { reason: "security module labels are not supported yet", remedy: "leave it out" };
const value = { argument: "required" } as const;

export const refusals = {
  allowUprobes: refused(undefined, {
    cli: "allow-uprobes",
    applies: dump,
    reason: "uprobes are not supported yet",
    remedy: "remove them and leave the option out",
  }),
  autoDedup: refused("autoDedup", { applies: both, ...steps }),
  autoExtMnt: refused("autoExtMnt", { cli: null, applies: both, ...mounts }),
  cgRoot: refused("cgRoot", { cli: "cgroup-root", applies: both, ...value, ...cgroups }),
  cgroupDumpController: refused("cgroupDumpController", { applies: dump, ...value, ...cgroups }),
  cgroupProps: refused("cgroupProps", { applies: dump, ...value, ...cgroups }),
  cgroupPropsFile: refused("cgroupPropsFile", { applies: dump, ...value, ...cgroups }),
  cgroupYard: refused("cgroupYard", { applies: both, ...value, ...cgroups }),
  closeFd: refused(undefined, {
    cli: "close",
    ...value,
    applies: both,
    reason: "closing descriptors first is not supported",
    remedy: "close it when starting stasis",
  }),
  displayStats: refused("displayStats", {
    applies: both,
    reason: "printing statistics is not supported yet",
    remedy: "leave it out and read stats-dump or stats-restore",
  }),
  emptyNs: refused("emptyNs", { applies: both, ...value, neutral: [0], ...networks }),
  enableFs: refused("enableFs", { applies: both, ...value, ...mounts }),
  extMasters: refused("extMasters", { cli: "enable-external-masters", applies: dump, ...mounts }),
  extMnt: refused("extMnt", { cli: "ext-mount-map", short: "M", applies: both, ...value, ...mounts }),
  extSharing: refused("extSharing", { cli: "enable-external-sharing", applies: dump, ...mounts }),
  freezeCgroup: refused("freezeCgroup", {
    applies: dump,
    ...value,
    reason: "freezing by cgroup is not supported yet",
    remedy: "leave it out: the tree is frozen task by task",
  }),
  joinNs: refused(undefined, {
    cli: "join-ns",
    short: "J",
    applies: restore,
    ...value,
    fromRpc: (opts) => readTag39(opts).joinNs,
    reason: "joining namespaces is not supported yet",
    remedy: "start stasis in those namespaces",
  }),
  lazyPages: refused("lazyPages", {
    applies: both,
    reason: "lazy pages are not supported yet",
    remedy: "leave it out and restore everything at once",
  }),
  libdir: refused(undefined, {
    cli: "libdir",
    short: "L",
    ...value,
    applies: both,
    reason: "plugins are not supported",
    remedy: "leave it out",
  }),
  logPid: refused(undefined, {
    cli: "log-pid",
    applies: restore,
    reason: "one log for each process is not supported",
    remedy: "leave it out: one log has everything",
  }),
  lsmMountContext: refused("lsmMountContext", { applies: restore, ...value, ...modules }),
  lsmProfile: refused("lsmProfile", { applies: both, ...value, ...modules }),
  mntnsCompatMode: refused("mntnsCompatMode", { applies: both, ...mounts }),
  parentImg: refused("parentImg", { cli: "prev-images-dir", applies: both, ...value, ...steps }),
  pidfdStoreSk: refused("pidfdStoreSk", { cli: null, applies: dump, neutral: [-1], ...steps }),
  port: refused(undefined, { cli: "port", ...value, applies: both, ...pageServer }),
  ps: refused("ps", { cli: "page-server", applies: both, ...pageServer }),
  psSocket: refused(undefined, { cli: "ps-socket", ...value, applies: both, ...pageServer }),
  root: refused("root", { short: "r", applies: restore, ...value, ...mounts }),
  skipFileRwxCheck: refused("skipFileRwxCheck", {
    applies: restore,
    reason: "passing over changed permissions is not supported yet",
    remedy: "leave it out",
  }),
  skipMnt: refused("skipMnt", { applies: dump, ...value, ...mounts }),
  stream: refused(undefined, {
    cli: "stream",
    applies: both,
    reason: "streaming images is not supported",
    remedy: "leave it out and use a directory",
  }),
  tls: refused("tls", { applies: both, ...pageServer }),
  tlsCacert: refused("tlsCacert", { applies: both, ...value, ...pageServer }),
  tlsCacrl: refused("tlsCacrl", { applies: both, ...value, ...pageServer }),
  tlsCert: refused("tlsCert", { applies: both, ...value, ...pageServer }),
  tlsKey: refused("tlsKey", { applies: both, ...value, ...pageServer }),
  tlsNoCnVerify: refused("tlsNoCnVerify", { applies: both, ...pageServer }),
  trackMem: refused("trackMem", { applies: ["dump", "check"], ...steps }),
  unprivileged: refused("unprivileged", {
    applies: ["dump", "restore", "check"],
    reason: "working without root's capabilities is not supported yet",
    remedy: "leave it out and run as root",
  }),
  veths: refused("veths", { cli: "veth-pair", applies: restore, ...value, ...networks }),
  weakSysctls: refused("weakSysctls", { applies: restore, ...networks }),
} as const;
