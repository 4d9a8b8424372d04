import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../../src/kernel/brand.js";
import { ProcFormatError } from "../../../src/kernel/proc/read.js";
import { parseStatus, readStatus, readThreadStatus } from "../../../src/kernel/proc/status.js";
import { understandsOrRefuses } from "./throws-only.js";

const STATUS = `Name:\ta\\n(\\\\ b)
Umask:\t0027
State:\tt (tracing stop)
Tgid:\t7536
Ngid:\t0
Pid:\t7537
PPid:\t7532
TracerPid:\t12
Uid:\t1000\t0\t1000\t0
Gid:\t100\t101\t102\t103
FDSize:\t256
Groups:\t4 24 1000 
NStgid:\t7536\t3
NSpid:\t7537\t4
Kthread:\t0
VmLck:\t     132 kB
RssAnon:\t    1948 kB
CoreDumping:\t0
THP_enabled:\t1
Threads:\t2
SigQ:\t3/96365
SigPnd:\t0000000000000200
ShdPnd:\t8000000000000000
SigBlk:\t0000000000000001
SigIgn:\t0000000000001000
SigCgt:\t0000000180000000
CapInh:\t0000000000000000
CapPrm:\t000001ffffffffff
CapEff:\t0000000000000400
CapBnd:\t000001fffeffffff
CapAmb:\t0000000000000400
NoNewPrivs:\t1
Seccomp:\t2
Seccomp_filters:\t3
`;

test("the lines of status are those of the man page", () => {
  assert.deepEqual(parseStatus(STATUS), {
    name: "a\n(\\ b)",
    umask: 0o27,
    state: "t",
    tgid: 7536,
    ngid: 0,
    pid: 7537,
    ppid: 7532,
    tracerPid: 12,
    uids: [1000, 0, 1000, 0],
    gids: [100, 101, 102, 103],
    groups: [4, 24, 1000],
    fdSize: 256,
    nsPids: [7537, 4],
    kthread: false,
    threads: 2,
    sigQ: [3, 96365],
    sigPnd: 0x200n,
    shdPnd: 0x8000000000000000n,
    sigBlk: 1n,
    sigIgn: 0x1000n,
    sigCgt: 0x180000000n,
    capInh: 0n,
    capPrm: 0x1ffffffffffn,
    capEff: 0x400n,
    capBnd: 0x1fffeffffffn,
    capAmb: 0x400n,
    noNewPrivs: true,
    seccomp: 2,
    seccompFilters: 3,
    thpEnabled: true,
    coredumping: false,
    rssAnonBytes: 1948 * 1024,
    swappedBytes: 0,
    lockedBytes: 132 * 1024,
  });
});

test("a name that looks like a line of status does not overrule it", () => {
  const status = parseStatus(STATUS.replace("a\\n(\\\\ b)", "\\nUid:\t0\t0"));
  assert.deepEqual([status.name, status.uids[0]], ["\nUid:\t0\t0", 1000]);
});

test("a zombie has no memory and so says nothing of huge pages", () => {
  assert.equal(parseStatus(STATUS.replace("THP_enabled:\t1\n", "")).thpEnabled, undefined);
});

test("a missing line is refused by name", () => {
  assert.throws(() => parseStatus(STATUS.replace(/SigBlk.*\n/, "")), /no line SigBlk/);
  assert.throws(() => parseStatus(""), ProcFormatError);
});

test("any text gives a status or is refused", () => {
  understandsOrRefuses(parseStatus, [STATUS]);
});

test("our own status agrees with what node knows of us", () => {
  const self = asPid(process.pid);
  const status = readStatus(self);
  assert.deepEqual([status?.pid, status?.ppid, status?.uids[0]], [process.pid, process.ppid, process.getuid?.()]);
  assert.equal(readThreadStatus(self, self)?.tgid, process.pid);
});
