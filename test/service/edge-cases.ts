// Bad and odd requests: what CRIU 4.2 does, what we do, and why where that differs. docs/edge-cases.md is made from this table, and
// edge-cases.test.ts makes each request.
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { type CriuOpts, CriuOptsSchema, CriuReqType } from "../../src/protocol/gen/rpc_pb.js";
import { addJoinNs, addNoSeccomp } from "../../src/protocol/tag-39.js";
import type { Session } from "../../src/service/session.js";
import { exchange, hex, type Request } from "./exchange.js";

const { EMPTY, DUMP, RESTORE, CHECK, NOTIFY, VERSION, FEATURE_CHECK, WAIT_PID, PRE_DUMP, PAGE_SERVER } = CriuReqType;
const { CPUINFO_CHECK, SINGLE_PRE_DUMP } = CriuReqType;

/** Descriptors that requests name. */
export interface Fixtures extends Disposable {
  readonly images: number;
  readonly file: number;
  readonly deleted: number;
  readonly device: number;
  readonly proc: number;
  readonly path: string;
}

export function fixtures(): Fixtures {
  const path = mkdtempSync(join(tmpdir(), "edge-cases-"));
  const gone = join(path, "gone");
  mkdirSync(gone);
  writeFileSync(join(path, "file"), "");
  writeFileSync(join(path, "unknown.conf"), "frobnicate\n");
  writeFileSync(join(path, "quote.conf"), 'log-file "x\n');
  const fds = [path, join(path, "file"), gone, "/dev/null", "/proc"].map((name) => openSync(name, "r"));
  rmSync(gone, { recursive: true });
  const [images = -1, file = -1, deleted = -1, device = -1, proc = -1] = fds;
  const dispose = () => {
    for (const fd of fds) closeSync(fd);
    rmSync(path, { recursive: true });
  };
  return { images, file, deleted, device, proc, path, [Symbol.dispose]: dispose };
}

export interface EdgeCase {
  readonly input: string;
  readonly theirs: string;
  readonly ours: string;
  /** Where we differ. */
  readonly why?: string;
  readonly kind?: Session["kind"];
  readonly ask: (fixtures: Fixtures) => readonly Request[];
}

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
const CLOSED = "closed, no answer";
const SAYS_SO = "a client that waits is told why";
const LATER = "not supported yet: refused by name, before anything is done";
const TYPED = "CRIU's worker crashes";

export const edgeCases: readonly EdgeCase[] = [
  { input: "nothing, and the connection is closed", theirs: CLOSED, ours: CLOSED, ask: () => [] },
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
  ...[DUMP, RESTORE, CHECK, PRE_DUMP, SINGLE_PRE_DUMP, WAIT_PID].map((type) => ({
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
  { input: "DUMP without opts", theirs: CLOSED, ours: "DUMP false", why: TYPED, ask: () => [{ type: DUMP }] },
  { input: "RESTORE without opts", theirs: CLOSED, ours: "RESTORE false", why: TYPED, ask: () => [{ type: RESTORE }] },
  {
    input: "PAGE_SERVER without opts",
    theirs: "PAGE_SERVER false",
    ours: "PAGE_SERVER false",
    ask: () => [{ type: PAGE_SERVER }],
  },
  {
    input: "FEATURE_CHECK without features",
    theirs: "FEATURE_CHECK false",
    ours: "FEATURE_CHECK false",
    ask: () => [{ type: FEATURE_CHECK }],
  },
  {
    input: "FEATURE_CHECK with no feature",
    theirs: "FEATURE_CHECK ok",
    ours: "FEATURE_CHECK ok",
    ask: () => [{ type: FEATURE_CHECK, features: {} }],
  },
  { input: "CHECK without opts", theirs: "CHECK ok", ours: "CHECK ok", ask: () => [{ type: CHECK }] },
  {
    input: "CHECK with log_file and no directory",
    theirs: "CHECK false",
    ours: "CHECK false",
    ask: () => [{ type: CHECK, opts: { imagesDirFd: -1, logFile: "x" } }],
  },
  { input: "WAIT_PID without pid", theirs: "WAIT_PID false", ours: "WAIT_PID false", ask: () => [{ type: WAIT_PID }] },
  {
    input: "opts without images_dir_fd",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: () => [{ type: DUMP, opts: { pid: 4711 } }],
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
    ask: (at) => [
      Buffer.concat([
        hex("0801"),
        hex("1207"),
        hex(`08${at.images.toString(16).padStart(2, "0")}`),
        hex("10e724"),
        hex("1802"),
      ]),
    ],
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
    input: "parent_img that is not there",
    theirs: "DUMP false 56",
    ours: "DUMP false 56",
    ask: dump({ parentImg: "../nowhere" }),
  },
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

/** What came of a request, as in the table. */
export function outcomeOf({ ask, kind = "swrk" }: EdgeCase, at: Fixtures): string {
  const { answers } = exchange(ask(at), { kind });
  const shown = answers.map(
    ({ type, success, crErrno }) =>
      `${CriuReqType[type]} ${success ? "ok" : "false"}${crErrno === 0 ? "" : ` ${crErrno}`}`,
  );
  return shown.length === 0 ? CLOSED : shown.join(", ");
}
