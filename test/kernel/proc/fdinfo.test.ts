import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { asPid, asTargetFd } from "../../../src/kernel/brand.js";
import { field, listFds, parseFdinfo, readFdinfo, readFdLink } from "../../../src/kernel/proc/fdinfo.js";
import { ProcFormatError } from "../../../src/kernel/proc/read.js";
import { understandsOrRefuses } from "./throws-only.js";

const HEAD = "pos:\t4096\nflags:\t02100001\nmnt_id:\t27\nino:\t2146340\n";
const LOCKS = `${HEAD}lock:\t1: FLOCK  ADVISORY  WRITE 10101 fe:00:2146340 0 EOF
lock:\t2: POSIX  ADVISORY  WRITE 10101 fe:00:2146340 0 EOF
`;
const EVENTFD = `${HEAD}eventfd-count:                0\neventfd-id: 1\neventfd-semaphore: 0\n`;
const EPOLL = `${HEAD}tfd:       13 events:       19 data:                d  pos:0 ino:40e sdev:10
tfd:       11 events:       19 data:                b  pos:0 ino:45f9 sdev:f
`;
const INOTIFY = `${HEAD}inotify wd:1 ino:3f7e8 sdev:fe00000 mask:fff ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:e8f7030000000000\n`;
const TIMERFD = `${HEAD}clockid: 1\nticks: 0\nsettime flags: 00\nit_value: (99, 999982334)\nit_interval: (0, 5)\n`;

test("position, flags, mount and inode are read of every file", () => {
  const { position, flags, mountId, inode } = parseFdinfo(HEAD);
  assert.deepEqual([position, flags, mountId, inode], [4096n, 0o2100001, 27, 2146340n]);
});

test("an inode number is missing before kernel 5.14", () => {
  assert.equal(parseFdinfo("pos:\t0\nflags:\t02\nmnt_id:\t17\n").inode, undefined);
});

test("a file's own lines keep their names", () => {
  assert.equal(field(parseFdinfo(EVENTFD), "eventfd-count"), "0");
  assert.equal(field(parseFdinfo(TIMERFD), "settime flags"), "00");
  assert.equal(field(parseFdinfo(TIMERFD), "it_value"), "(99, 999982334)");
});

test("lines of one kind are a list", () => {
  assert.equal(parseFdinfo(LOCKS).fields.get("lock")?.length, 2);
  assert.deepEqual(
    parseFdinfo(EPOLL).fields.get("tfd")?.[1],
    "11 events:       19 data:                b  pos:0 ino:45f9 sdev:f",
  );
});

test("the marks of inotify are kept line by line, without their first word", () => {
  assert.match(
    field(parseFdinfo(INOTIFY), "inotify") ?? "",
    /^wd:1 ino:3f7e8 sdev:fe00000 mask:fff .*f_handle:e8f7030000000000$/,
  );
});

test("an fdinfo without flags is refused", () => {
  assert.throws(() => parseFdinfo("pos:\t0\nmnt_id:\t17\n"), ProcFormatError);
});

test("any text gives an fdinfo or is refused", () => {
  understandsOrRefuses(parseFdinfo, [LOCKS, EVENTFD, EPOLL, INOTIFY, TIMERFD]);
});

test("a file that we open is listed, linked and described, until we close it", () => {
  const self = asPid(process.pid);
  const opened = openSync("/dev/null", "w");
  const fd = asTargetFd(opened);
  assert.ok(listFds(self).includes(fd));
  assert.equal(readFdLink(self, fd), "/dev/null");
  assert.equal((readFdinfo(self, fd)?.flags ?? 0) & 3, 1);
  closeSync(opened);
  assert.equal(readFdLink(self, fd), undefined);
  assert.equal(readFdinfo(self, fd), undefined);
});
