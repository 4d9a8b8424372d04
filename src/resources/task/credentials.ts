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
  SECBIT_NO_SETUID_FIXUP,
} from "../../kernel/abi/prctl.js";
import { asAddress } from "../../kernel/brand.js";
import type { TaskStatus } from "../../kernel/proc/status.js";
import { sys } from "../../kernel/syscalls.js";
import { StasisError } from "../../report/error.js";
import type { Inside } from "../../tracee/inside.js";
import { expecting, type RemoteCall, remote } from "../../tracee/program.js";
import { asks } from "../../tracee/questions.js";
import type { RestoredProcess, TaskPart } from "../kind.js";
import { Newborn } from "./newborn.js";

const SECBIT_NO_SETUID_FIXUP_LOCKED = 1 << 3;
const SECBIT_KEEP_CAPS = 1 << 4;
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
  apply(thread, core, { once }) {
    const { inside, process } = thread;
    const creds = core.threadCore?.creds;
    const held = once(Newborn).status(thread);
    if (creds === undefined || held === undefined) return;
    // Ambient ones are lent to us for the restore: access.ts.
    const all = setOf(creds.capPrm) | setOf(creds.capInh) | setOf(creds.capAmb);
    checkHeld(process, (setOf(creds.capPrm) & ~held.capPrm) | (all & held.capAmb));
    const { uid, euid, suid, fsuid, gid, egid, sgid, fsgid } = creds;
    checkIds(process, held, { what: "user ids", wanted: [uid, euid, suid, fsuid], ours: held.uids, needs: CAP_SETUID });
    checkIds(process, held, {
      what: "group ids",
      wanted: [gid, egid, sgid, fsgid],
      ours: held.gids,
      needs: CAP_SETGID,
    });
    checkIds(process, held, { what: "groups", wanted: creds.groups, ours: held.groups, needs: CAP_SETGID });
    if (!sameGroups(creds.groups, held.groups)) setGroups(inside, creds.groups);
    for (const call of dropBounding(held.capBnd & ~setOf(creds.capBnd))) inside.later(call);
    const keepsIds = held.uids.every((uid, at) => uid === [creds.uid, creds.euid, creds.suid, creds.fsuid][at]);
    if (!keepsIds) inside.later(remote.prctl(PR.PR_SET_SECUREBITS, BigInt(SECBIT_NO_SETUID_FIXUP), 0n, 0n, 0n));
    inside.later(remote.setresgid(creds.gid | 0, creds.egid | 0, creds.sgid | 0));
    if (creds.fsgid !== creds.egid) setAndLook(inside, remote.setfsgid, creds.fsgid);
    inside.later(remote.setresuid(creds.uid | 0, creds.euid | 0, creds.suid | 0));
    if (creds.fsuid !== creds.euid) setAndLook(inside, remote.setfsuid, creds.fsuid);
    const locked = (creds.secbits & SECBIT_NO_SETUID_FIXUP_LOCKED) !== 0;
    const now = keepsIds ? inheritedSecurebits() : SECBIT_NO_SETUID_FIXUP;
    if (creds.secbits !== now || locked)
      inside.later(remote.prctl(PR.PR_SET_SECUREBITS, BigInt(creds.secbits), 0n, 0n, 0n));
    setCapabilities(inside, creds);
    if (creds.noNewPrivs === 1) inside.later(remote.prctl(PR.PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n));
  },
};

/** A task of the restore has those of ours, but for what execve(2) takes away. */
const inheritedSecurebits = (): number => sys.prctl(PR.PR_GET_SECUREBITS, 0n, 0n, 0n, 0n) & ~SECBIT_KEEP_CAPS;

const words = (set: bigint): number[] => [Number(set & 0xffffffffn), Number(set >> 32n)];
const setOf = ([low = 0, high = 0]: readonly number[]): bigint => BigInt(low) | (BigInt(high) << 32n);

/** setgroups(2) needs CAP_SETGID even where it changes nothing. */
const sameGroups = (wanted: readonly number[], held: readonly number[]) =>
  wanted.length === held.length && wanted.every((gid) => held.includes(gid));

/** setfsuid(2) and setfsgid(2) do not say that they have done nothing; -1 changes nothing, and tells what holds. */
function setAndLook(inside: Inside, set: (id: number) => RemoteCall, id: number): void {
  inside.later(set(id | 0));
  inside.later(expecting(set(-1), BigInt(id)));
}

function setGroups(inside: Inside, groups: readonly number[]): void {
  const list = Uint32Array.from(groups);
  inside.laterWith(new Uint8Array(list.buffer), (at) => remote.setgroups(groups.length, at));
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

/** Who has the capability may give any id, others those that they have themselves. */
function checkIds({ pid, comm }: RestoredProcess, held: TaskStatus, { what, wanted, ours, needs }: IdsToGive): void {
  const others = wanted.filter((id) => !ours.includes(id));
  if (others.length === 0 || (held.capEff & (1n << needs.number)) !== 0n) return;
  throw new StasisError({
    code: "CREDENTIALS_MISSING",
    doing: "restore",
    subject: { kind: "process", pid, comm },
    reason: `it has ${what} that stasis may not give (${[...new Set(others)].join(", ")})`,
    remedy: `run stasis with ${needs.name}`,
  });
}
interface IdsToGive {
  readonly what: string;
  readonly wanted: readonly number[];
  readonly ours: readonly number[];
  readonly needs: { readonly name: string; readonly number: bigint };
}
const CAP_SETGID = { name: "CAP_SETGID", number: 6n };
const CAP_SETUID = { name: "CAP_SETUID", number: 7n };

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
  const header = cap_user_header.encode({ version: _LINUX_CAPABILITY_VERSION_3, pid: 0 });
  inside.laterWith(Buffer.concat([header, ...data]), (at) =>
    remote.capset(at, asAddress(at + BigInt(header.byteLength))),
  );
  inside.later(remote.prctl(PR.PR_CAP_AMBIENT, BigInt(PR_CAP_AMBIENT_CLEAR_ALL), 0n, 0n, 0n));
  const ambient = setOf(capAmb);
  for (const number of capabilities((bit) => (ambient & bit) !== 0n))
    inside.later(remote.prctl(PR.PR_CAP_AMBIENT, BigInt(PR_CAP_AMBIENT_RAISE), BigInt(number), 0n, 0n));
}
