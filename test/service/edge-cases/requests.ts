// Bad and odd requests, as the bytes and options that they are.
import { create } from "@bufbuild/protobuf";
import { type CriuOpts, CriuOptsSchema, CriuReqType, type CriuResp } from "../../../src/protocol/gen/rpc_pb.js";
import { addJoinNs, addNoSeccomp } from "../../../src/protocol/tag-39.js";
import { hex } from "../exchange.js";
import { type Asked, CLOSED, LATER } from "./case.js";
import type { Fixtures } from "./fixtures.js";

const { EMPTY, DUMP, RESTORE, CHECK, NOTIFY, VERSION, FEATURE_CHECK, WAIT_PID, PRE_DUMP, PAGE_SERVER } = CriuReqType;
const { CPUINFO_CHECK, CPUINFO_DUMP, SINGLE_PRE_DUMP, PAGE_SERVER_CHLD } = CriuReqType;

type Fields = Parameters<typeof create<typeof CriuOptsSchema>>[1];
const dump = (fields: Fields) => (at: Fixtures) => [
  { type: DUMP, opts: { imagesDirFd: at.images, pid: 4711, ...fields } },
];
const restore = (fields: Fields) => (at: Fixtures) => [{ type: RESTORE, opts: { imagesDirFd: at.images, ...fields } }];
const changed = (at: Fixtures, change: (opts: CriuOpts) => void) => {
  const opts = create(CriuOptsSchema, { imagesDirFd: at.images, pid: 4711 });
  change(opts);
  return [{ type: DUMP, opts }];
};

const NO_MODE: number = 77;
const byte = (number: number) => number.toString(16).padStart(2, "0");
/** VERSION, and a field 111 of 209993 bytes. */
const padded = () => Buffer.concat([hex("080a fa06 c9e80c"), Buffer.alloc(209_993)]);
const featuresIn = ([answer]: readonly CriuResp[]) => {
  const { memTrack, lazyPages, pidfdStore } = answer?.features ?? {};
  const found = [memTrack && "mem_track", lazyPages && "lazy_pages", pidfdStore && "pidfd_store"].filter(Boolean);
  return found.length === 0 ? "none of them" : found.join(", ");
};
const SAYS_SO = "a client that waits is told why";
const TYPED = "CRIU's worker crashes";

export const requests: readonly Asked[] = [
  { input: "nothing, and the connection is closed", theirs: CLOSED, ours: CLOSED, ask: () => [] },
  { input: "a packet of no bytes", theirs: CLOSED, ours: CLOSED, ask: () => [hex("")] },
  { input: "16 bytes ff", theirs: CLOSED, ours: CLOSED, ask: () => [hex("ff".repeat(16))] },
  { input: "the single byte 08", theirs: CLOSED, ours: CLOSED, ask: () => [hex("08")] },
  { input: "VERSION and one byte 00", theirs: CLOSED, ours: CLOSED, ask: () => [hex("080a00")] },
  {
    input: "VERSION and an unknown field 111",
    theirs: "VERSION ok",
    ours: "VERSION ok",
    ask: () => [hex("080af80601")],
  },
  { input: "the type twice, VERSION and CHECK", theirs: "CHECK ok", ours: "CHECK ok", ask: () => [hex("080a0803")] },
  { input: "no type", theirs: CLOSED, ours: CLOSED, ask: () => [hex("1801")] },
  { input: "type 99", theirs: "EMPTY false", ours: "EMPTY false", ask: () => [hex("0863")] },
  { input: "type -1", theirs: "EMPTY false", ours: "EMPTY false", ask: () => [hex("08ffffffffffffffffff01")] },
  { input: "a tag of six bytes", theirs: CLOSED, ours: CLOSED, ask: () => [hex("080af5808080800000000000")] },
  { input: "EMPTY", theirs: "EMPTY false", ours: "EMPTY false", ask: () => [{ type: EMPTY }] },
  {
    input: "NOTIFY, unasked",
    theirs: "EMPTY false",
    ours: "EMPTY false",
    ask: () => [{ type: NOTIFY, notifySuccess: true }],
  },
  {
    input: "VERSION twice without keep_open",
    theirs: "VERSION ok",
    ours: "VERSION ok",
    ask: () => [{ type: VERSION }, { type: VERSION }],
  },
  {
    input: "VERSION keep_open, VERSION, VERSION",
    theirs: "VERSION ok, VERSION ok",
    ours: "VERSION ok, VERSION ok",
    ask: () => [{ type: VERSION, keepOpen: true }, { type: VERSION }, { type: VERSION }],
  },
  {
    input: "VERSION keep_open, EMPTY",
    theirs: "VERSION ok, EMPTY false",
    ours: "VERSION ok, EMPTY false",
    ask: () => [{ type: VERSION, keepOpen: true }, { type: EMPTY }],
  },
  {
    input: "VERSION, with a field that makes it 210 kB large",
    theirs: "VERSION ok",
    ours: "VERSION ok",
    ask: () => [padded()],
  },
  ...[DUMP, RESTORE, CHECK, PRE_DUMP, SINGLE_PRE_DUMP, WAIT_PID, EMPTY, NOTIFY].map((type) => ({
    input: `keep_open on ${CriuReqType[type]}`,
    theirs: CLOSED,
    ours: CLOSED,
    ask: (at: Fixtures) => [{ type, keepOpen: true, opts: { imagesDirFd: at.images } }],
  })),
  {
    input: "CPUINFO_CHECK that fails, keep_open, then VERSION",
    theirs: "CPUINFO_CHECK false, VERSION ok",
    ours: "CPUINFO_CHECK false, VERSION ok",
    ask: () => [{ type: CPUINFO_CHECK, keepOpen: true }, { type: VERSION }],
  },
  {
    input: "CPUINFO_CHECK that fails, keep_open, then CPUINFO_DUMP",
    theirs: "CPUINFO_CHECK false, CPUINFO_DUMP ok, with the text of the failure",
    ours: "CPUINFO_CHECK false, CPUINFO_DUMP ok, without a text",
    why: "an answer speaks of its own request",
    ask: (at) => [
      { type: CPUINFO_CHECK, keepOpen: true },
      { type: CPUINFO_DUMP, opts: { imagesDirFd: at.images } },
    ],
    more: ([, second]) => (second?.crErrmsg === "" ? "without a text" : "with a text"),
  },
  { input: "DUMP without opts", theirs: CLOSED, ours: "DUMP false", why: TYPED, ask: () => [{ type: DUMP }] },
  { input: "RESTORE without opts", theirs: CLOSED, ours: "RESTORE false", why: TYPED, ask: () => [{ type: RESTORE }] },
  ...[PRE_DUMP, SINGLE_PRE_DUMP, CPUINFO_DUMP, CPUINFO_CHECK, PAGE_SERVER].map((type) => ({
    input: `${CriuReqType[type]} without opts`,
    theirs: `${CriuReqType[type]} false`,
    ours: `${CriuReqType[type]} false`,
    ask: () => [{ type }],
  })),
  {
    input: "PAGE_SERVER_CHLD without opts",
    theirs: "PAGE_SERVER false",
    ours: "PAGE_SERVER false",
    ask: () => [{ type: PAGE_SERVER_CHLD }],
  },
  {
    input: "FEATURE_CHECK without features",
    theirs: "FEATURE_CHECK false",
    ours: "FEATURE_CHECK false",
    ask: () => [{ type: FEATURE_CHECK }],
  },
  {
    input: "FEATURE_CHECK with no feature",
    theirs: "FEATURE_CHECK ok, none of them",
    ours: "FEATURE_CHECK ok, none of them",
    ask: () => [{ type: FEATURE_CHECK, features: {} }],
    more: featuresIn,
  },
  {
    input: "FEATURE_CHECK with mem_track false and pidfd_store true, where both are there",
    theirs: "FEATURE_CHECK ok, pidfd_store",
    ours: "FEATURE_CHECK ok, pidfd_store",
    ask: () => [{ type: FEATURE_CHECK, features: { memTrack: false, pidfdStore: true } }],
    more: featuresIn,
  },
  { input: "CHECK without opts", theirs: "CHECK ok", ours: "CHECK ok", ask: () => [{ type: CHECK }] },
  {
    input: "CHECK with log_file and no directory",
    theirs: "CHECK false",
    ours: "CHECK false",
    ask: () => [{ type: CHECK, opts: { imagesDirFd: -1, logFile: "x" } }],
  },
  {
    input: "CHECK with track_mem and log_file, where the kernel cannot track memory",
    theirs: "CHECK false",
    ours: "CHECK false",
    ask: (at) => [{ type: CHECK, opts: { imagesDirFd: at.images, logFile: "check.log", trackMem: true } }],
  },
  { input: "WAIT_PID without pid", theirs: "WAIT_PID false", ours: "WAIT_PID false", ask: () => [{ type: WAIT_PID }] },
  {
    input: "opts without images_dir_fd",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: () => [{ type: DUMP, opts: { pid: 4711 } }],
  },
  {
    input: "opts in two parts, the first with images_dir_fd",
    theirs: "DUMP false 56",
    ours: "DUMP ok",
    why: "the parts are one message, as protobuf has it",
    ask: (at) => [Buffer.concat([hex("0801"), hex(`120208${byte(at.images)}`), hex("120310e724")])],
  },
  {
    input: "field 39 as a flag (no_seccomp of 2016)",
    theirs: CLOSED,
    ours: "DUMP ok",
    why: "both readings of the field are understood: their wire types differ",
    ask: (at) => changed(at, addNoSeccomp),
  },
  { input: "text where pid belongs", theirs: CLOSED, ours: CLOSED, ask: () => [hex("08011205080312016f")] },
  {
    input: "leave_running with the number 2",
    theirs: "DUMP ok",
    ours: "DUMP ok",
    ask: (at) => [Buffer.concat([hex("0801"), hex("1207"), hex(`08${byte(at.images)}`), hex("10e724"), hex("1802")])],
  },
  ...["", ".", "..", "a/b", "/abs", "x".repeat(300)].map((logFile) => ({
    input: `log_file ${logFile.length > 9 ? "of 300 characters" : JSON.stringify(logFile)}`,
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: dump({ logFile }),
  })),
  {
    input: "log_file with a NUL character",
    theirs: "DUMP ok, the name ends at the NUL",
    ours: "DUMP false 56",
    why: "a name that is cut is another name",
    ask: dump({ logFile: "a\0b" }),
  },
  {
    input: "log_file of the bytes ff fe",
    theirs: "DUMP ok, a file with that name",
    ours: "DUMP false 56",
    why: "it is no UTF-8: protobuf has replaced the bytes, and a name that is changed is another name",
    ask: (at) => [Buffer.concat([hex("0801"), hex(`120908${byte(at.images)}`), hex("10e724"), hex("5202fffe")])],
  },
  {
    input: 'log_file "-"',
    theirs: "DUMP ok, with the log on stdout",
    ours: "DUMP ok, with the log on stdout",
    ask: dump({ logFile: "-", logLevel: 0 }),
    more: () => "with the log on stdout",
  },
  {
    input: "log_level 0 and a pid that cannot be",
    theirs: "DUMP false 3, without a text",
    ours: "DUMP false 3, with a text",
    why: SAYS_SO,
    ask: dump({ logLevel: 0, pid: -1 }),
    more: ([answer]) => (answer?.crErrmsg === "" ? "without a text" : "with a text"),
  },
  ...[-1, 5, 100].map((logLevel) => ({
    input: `log_level ${logLevel}`,
    theirs: "DUMP ok",
    ours: "DUMP ok",
    ask: dump({ logLevel }),
  })),
  { input: "images_dir_fd 999", theirs: "DUMP false 56", ours: "DUMP false 56", ask: dump({ imagesDirFd: 999 }) },
  { input: "images_dir_fd -2", theirs: "DUMP false 56", ours: "DUMP false 56", ask: dump({ imagesDirFd: -2 }) },
  {
    input: "images_dir_fd of a file",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: (at) => dump({ imagesDirFd: at.file })(at),
  },
  {
    input: "images_dir_fd of a device",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: (at) => dump({ imagesDirFd: at.device })(at),
  },
  {
    input: "images_dir_fd of /proc",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: (at) => dump({ imagesDirFd: at.proc })(at),
  },
  {
    input: "images_dir_fd of a deleted directory",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: (at) => dump({ imagesDirFd: at.deleted })(at),
  },
  { input: "work_dir_fd 998", theirs: "DUMP false 56", ours: "DUMP false 56", ask: dump({ workDirFd: 998 }) },
  {
    input: "manage_cgroups_mode 77",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: dump({ manageCgroupsMode: NO_MODE }),
  },
  { input: "empty_ns 0x20000", theirs: "DUMP false 56", ours: "DUMP false 56", ask: dump({ emptyNs: 0x20000 }) },
  { input: "empty_ns 0", theirs: "DUMP ok", ours: "DUMP ok", ask: dump({ emptyNs: 0 }) },
  {
    input: "join_ns of an unknown kind, on RESTORE",
    theirs: "RESTORE false 56",
    ours: "RESTORE false 56",
    ask(at) {
      const opts = create(CriuOptsSchema, { imagesDirFd: at.images });
      addJoinNs(opts, [{ ns: "bogus", nsFile: "1" }]);
      return [{ type: RESTORE, opts }];
    },
  },
  {
    input: "join_ns of a file that is not there, on RESTORE",
    theirs: "RESTORE false 56",
    ours: "RESTORE false 56",
    ask(at) {
      const opts = create(CriuOptsSchema, { imagesDirFd: at.images });
      addJoinNs(opts, [{ ns: "net", nsFile: "/nowhere" }]);
      return [{ type: RESTORE, opts }];
    },
  },
  {
    input: 'external "mnt[]:xyz"',
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: dump({ external: ["mnt[]:xyz"] }),
  },
  {
    input: 'external "macvlan[eth0]"',
    theirs: CLOSED,
    ours: "DUMP false 56",
    why: TYPED,
    ask: dump({ external: ["macvlan[eth0]"] }),
  },
  {
    input: "rst_sibling false, to a service",
    theirs: "RESTORE false 56",
    ours: "RESTORE false 56",
    kind: "service",
    ask: restore({ rstSibling: false }),
  },
  {
    input: "rst_sibling true on DUMP, to swrk",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: dump({ rstSibling: true }),
  },
  {
    input: "inherit_fd, to a service",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    kind: "service",
    ask: dump({ inheritFd: [{ key: "k", fd: 0 }] }),
  },
  {
    input: "inherit_fd of a closed descriptor, to swrk",
    theirs: "RESTORE false 56",
    ours: "RESTORE false 56",
    ask: restore({ inheritFd: [{ key: "k", fd: 997 }] }),
  },
  {
    input: "ps without an address on DUMP",
    theirs: CLOSED,
    ours: "DUMP false 56",
    why: LATER,
    ask: dump({ ps: { port: 1 } }),
  },
  {
    input: "ps with a port that nobody listens on",
    theirs: "DUMP false",
    ours: "DUMP false 56",
    why: LATER,
    ask: dump({ ps: { address: "127.0.0.1", port: 1 } }),
  },
  {
    input: "ps.fd, to a service",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    kind: "service",
    ask: dump({ ps: { fd: 0 } }),
  },
  {
    input: "ps.fd on PAGE_SERVER, to a service",
    theirs: "PAGE_SERVER false",
    ours: "PAGE_SERVER false",
    kind: "service",
    ask: (at) => [{ type: PAGE_SERVER, opts: { imagesDirFd: at.images, ps: { fd: 0 } } }],
  },
  ...(
    [
      [PRE_DUMP, "PRE_DUMP"],
      [SINGLE_PRE_DUMP, "SINGLE_PRE_DUMP"],
      [PAGE_SERVER, "PAGE_SERVER"],
      [PAGE_SERVER_CHLD, "PAGE_SERVER"],
    ] as const
  ).map(([type, answer]) => ({
    input: CriuReqType[type],
    theirs: `${answer} ok`,
    ours: `${answer} false`,
    why: LATER,
    ask: (at: Fixtures) => [{ type, opts: { imagesDirFd: at.images, pid: 4711 } }],
  })),
  ...[dump, restore].map((request) => ({
    input: `parent_img that is not there, on ${request === dump ? "DUMP" : "RESTORE"}`,
    theirs: `${request === dump ? "DUMP" : "RESTORE"} false 56`,
    ours: `${request === dump ? "DUMP" : "RESTORE"} false 56`,
    ask: request({ parentImg: "../nowhere" }),
  })),
  {
    input: "parent_img that is a file",
    theirs: "DUMP false",
    ours: "DUMP false 56",
    why: LATER,
    ask: dump({ parentImg: "file" }),
  },
  {
    input: "parent_img, into a directory that has another parent",
    theirs: "DUMP ok, the parent is the old one",
    ours: "DUMP false 56",
    why: LATER,
    ask: dump({ parentImg: "../other" }),
  },
  {
    input: "track_mem, where the kernel cannot track memory",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: dump({ trackMem: true }),
  },
  ...(
    [
      ["freeze_cgroup", { freezeCgroup: "/nowhere" }],
      ["cgroup_props", { cgroupProps: "{" }],
      ["cgroup_props_file", { cgroupPropsFile: "/nowhere" }],
      ["lsm_profile", { lsmProfile: "bogus" }],
    ] as const
  ).map(([name, fields]) => ({
    input: `${name} that cannot be`,
    theirs: "DUMP false",
    ours: "DUMP false 56",
    why: LATER,
    ask: dump(fields),
  })),
  ...(
    [
      ["cgroup_yard", dump({ cgroupYard: "/nowhere" }), "DUMP"],
      ["skip_mnt", dump({ skipMnt: ["/nowhere"] }), "DUMP"],
      ["root", restore({ root: "/nowhere" }), "RESTORE"],
    ] as const
  ).map(([name, ask, type]) => ({
    input: `${name} that is not there and not needed`,
    theirs: `${type} ok`,
    ours: `${type} false 56`,
    why: LATER,
    ask,
  })),
  {
    input: "mntns_compat_mode on DUMP",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: dump({ mntnsCompatMode: true }),
  },
  { input: "status_fd that is closed", theirs: "DUMP false 56", ours: "DUMP false 56", ask: dump({ statusFd: 996 }) },
  {
    input: "config_file that is not there",
    theirs: "DUMP ok",
    ours: "DUMP ok",
    ask: dump({ configFile: "/nowhere/x.conf" }),
  },
  {
    input: "config_file with an unknown option",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: (at) => dump({ configFile: `${at.path}/unknown.conf` })(at),
  },
  {
    input: "config_file with an open quote",
    theirs: CLOSED,
    ours: "DUMP false 56",
    why: SAYS_SO,
    ask: (at) => dump({ configFile: `${at.path}/quote.conf` })(at),
  },
  ...[0, -1, -5].map((pid) => ({
    input: `pid ${pid}`,
    theirs: "DUMP false 3",
    ours: "DUMP false 3",
    ask: dump({ pid }),
  })),
  {
    input: "pid and leave_running on RESTORE",
    theirs: "RESTORE ok",
    ours: "RESTORE ok",
    ask: restore({ pid: 1, leaveRunning: true }),
  },
];
