// Who a thread is and what it may do: credentials(7), capabilities(7). Read from /proc/PID/status but for the secure bits.
import { create } from "@bufbuild/protobuf";
import { type CredsEntry, CredsEntrySchema } from "../../images/format/entries.js";
import {
  _LINUX_CAPABILITY_VERSION_3,
  cap_user_data,
  cap_user_header,
  PR,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
} from "../../kernel/abi/prctl.js";
import { readThreadStatus } from "../../kernel/proc/status.js";
import { StasisError } from "../../report/error.js";
import type { Inside } from "../../tracee/inside.js";
import { remote } from "../../tracee/program.js";
import { asks } from "../../tracee/questions.js";
import type { RestoredProcess, TaskPart } from "../kind.js";

const SECBIT_NO_SETUID_FIXUP = 1 << 2;
const SECBIT_NO_SETUID_FIXUP_LOCKED = 1 << 3;
const LAST_CAPABILITY = 63;
const secureBits = asks(remote.prctl(PR.PR_GET_SECUREBITS, 0n, 0n, 0n, 0n));

export const credentials: TaskPart = {
  name: "credentials",
  of: "thread",
  stage: "credentials",
  outlives: true,
  limits: ["keyrings are not carried over: keyrings(7)"],

  asks: [secureBits],

  collect({ answers, status }, core) {
    if (core.threadCore === undefined) return;
    const [uid, euid, suid, fsuid] = status.uids;
    const [gid, egid, sgid, fsgid] = status.gids;
    core.threadCore.creds = create(CredsEntrySchema, {
      ...{ uid, euid, suid, fsuid, gid, egid, sgid, fsgid },
      capInh: words(status.capInh),
      capPrm: words(status.capPrm),
      capEff: words(status.capEff),
      capBnd: words(status.capBnd),
      capAmb: words(status.capAmb),
      secbits: Number(answers.of(secureBits)),
      groups: [...status.groups],
      noNewPrivs: status.noNewPrivs ? 1 : 0,
    });
  },

  /**
   * 1. Groups and the bounding set, while CAP_SETGID and CAP_SETPCAP are held.
   * 2. The ids, under SECBIT_NO_SETUID_FIXUP, so that leaving uid 0 does not take the capabilities away.
   * 3. The wanted secure bits, then the capability sets, which may give up the right to all of the above.
   */
  apply({ inside, process, tracee }, core) {
    const creds = core.threadCore?.creds;
    const held = readThreadStatus(process.pid, tracee.tid);
    if (creds === undefined || held === undefined) return;
    // Ambient ones are lent to us for the restore: access.ts.
    const all = setOf(creds.capPrm) | setOf(creds.capInh) | setOf(creds.capAmb);
    checkHeld(process, (setOf(creds.capPrm) & ~held.capPrm) | (all & held.capAmb));
    if (!sameGroups(creds.groups, held.groups)) setGroups(inside, creds.groups);
    inside.run(dropBounding(held.capBnd & ~setOf(creds.capBnd)));
    const keepsIds = held.uids.every((uid, at) => uid === [creds.uid, creds.euid, creds.suid, creds.fsuid][at]);
    if (!keepsIds) inside.sys.prctl(PR.PR_SET_SECUREBITS, BigInt(SECBIT_NO_SETUID_FIXUP), 0n, 0n, 0n);
    inside.sys.setresgid(creds.gid | 0, creds.egid | 0, creds.sgid | 0);
    inside.sys.setfsgid(creds.fsgid | 0);
    inside.sys.setresuid(creds.uid | 0, creds.euid | 0, creds.suid | 0);
    inside.sys.setfsuid(creds.fsuid | 0);
    const locked = (creds.secbits & SECBIT_NO_SETUID_FIXUP_LOCKED) !== 0;
    const now = keepsIds ? inside.sys.prctl(PR.PR_GET_SECUREBITS, 0n, 0n, 0n, 0n) : SECBIT_NO_SETUID_FIXUP;
    if (creds.secbits !== now || locked) inside.sys.prctl(PR.PR_SET_SECUREBITS, BigInt(creds.secbits), 0n, 0n, 0n);
    setCapabilities(inside, creds);
    if (creds.noNewPrivs === 1) inside.sys.prctl(PR.PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n);
  },
};

const words = (set: bigint): number[] => [Number(set & 0xffffffffn), Number(set >> 32n)];
const setOf = ([low = 0, high = 0]: readonly number[]): bigint => BigInt(low) | (BigInt(high) << 32n);

/** setgroups(2) needs CAP_SETGID even where it changes nothing. */
const sameGroups = (wanted: readonly number[], held: readonly number[]) =>
  wanted.length === held.length && wanted.every((gid) => held.includes(gid));

function setGroups(inside: Inside, groups: readonly number[]): void {
  const list = Uint32Array.from(groups);
  using room = inside.holding(new Uint8Array(list.buffer));
  inside.sys.setgroups(groups.length, room.at);
}

function dropBounding(surplus: bigint) {
  return capabilities((bit) => (surplus & bit) !== 0n).map((number) =>
    remote.prctl(PR.PR_CAPBSET_DROP, BigInt(number), 0n, 0n, 0n),
  );
}

/** A capability that stasis does not hold cannot be given to a task. */
function checkHeld({ pid, comm }: RestoredProcess, missing: bigint): void {
  if (missing === 0n) return;
  throw new StasisError({
    code: "CREDENTIALS_MISSING",
    doing: "restore",
    subject: { kind: "process", pid, comm },
    reason: `it holds capabilities that stasis does not (mask 0x${missing.toString(16)})`,
    remedy: "run stasis with those capabilities",
  });
}

function capabilities(test: (bit: bigint) => boolean): number[] {
  const numbers: number[] = [];
  for (let number = 0; number <= LAST_CAPABILITY; number++) if (test(1n << BigInt(number))) numbers.push(number);
  return numbers;
}

function setCapabilities(inside: Inside, { capEff, capPrm, capInh, capAmb }: CredsEntry): void {
  const data = [0, 1].map((word) =>
    cap_user_data.encode({
      effective: capEff[word] ?? 0,
      permitted: capPrm[word] ?? 0,
      inheritable: capInh[word] ?? 0,
    }),
  );
  using header = inside.holding(cap_user_header.encode({ version: _LINUX_CAPABILITY_VERSION_3, pid: 0 }));
  using body = inside.holding(Buffer.concat(data));
  inside.sys.capset(header.at, body.at);
  inside.sys.prctl(PR.PR_CAP_AMBIENT, BigInt(PR_CAP_AMBIENT_CLEAR_ALL), 0n, 0n, 0n);
  const ambient = setOf(capAmb);
  inside.run(
    capabilities((bit) => (ambient & bit) !== 0n).map((number) =>
      remote.prctl(PR.PR_CAP_AMBIENT, BigInt(PR_CAP_AMBIENT_RAISE), BigInt(number), 0n, 0n),
    ),
  );
}
