// The stub's place in running targets, put there and taken away so that the engine may die at any instant.
//
// 1. One mmap(2), made without an area (errand.ts), makes it: stub, room for a signal frame, scratch memory.
// 2. A thread that works there has a frame in it that leads home.
// What may stay behind of a killed engine is an unused mapping.
import { MAP, PROT } from "../kernel/abi/mman.js";
import { type Address, asAddress, NO_TARGET_FD } from "../kernel/brand.js";
import { isFailure } from "../kernel/declare/syscall.js";
import { errnoName } from "../kernel/errno.js";
import { syscalls } from "../kernel/syscalls.js";
import { AREA_BYTES, cannotHold, SCRATCH_BYTES, STUB_BYTES } from "./area.js";
import { leaveCriticalSection } from "./critical-section.js";
import { Entered } from "./entered.js";
import { type Call, callInEach, type Outcome, type Place } from "./errand.js";
import type { Ground } from "./inside.js";
import { repeatInterrupted } from "./interrupted-call.js";
import { layOutSigframe, SIGFRAME_ROOM } from "./sigframe.js";
import { stubBytes } from "./stub.js";
import type { Tracee } from "./tracee.js";

/** The area of one process that holds stub and scratch. */
export class Foothold {
  readonly lengthBytes = BigInt(AREA_BYTES);

  constructor(
    readonly place: Place,
    /** Where the area begins; its length is `lengthBytes`. */
    readonly area: Address,
  ) {}

  /** Makes the area in stopped processes. Throws StasisError when one of them cannot hold it; all are then as before. */
  static plant(places: readonly Place[]): Foothold[] {
    const planted: Foothold[] = [];
    const all = PROT.PROT_READ | PROT.PROT_WRITE | PROT.PROT_EXEC;
    const run = PROT.PROT_READ | PROT.PROT_EXEC;
    try {
      const first = mapIn(places, { prot: all, low: 0 }, planted);
      // A 32-bit task has no more than that: kernel/mmap.c, get_unmapped_area().
      const low = mapIn(placesWith(first, ENOMEM), { prot: all, low: MAP.MAP_32BIT }, planted);
      const free = planted.length;
      const last = [
        ...mapIn(placesWith(first, EACCES), { prot: run, low: 0 }, planted),
        ...mapIn(placesWith(low, EACCES), { prot: run, low: MAP.MAP_32BIT }, planted),
      ];
      refuse([
        ...first.filter(({ why }) => why !== ENOMEM && why !== EACCES),
        ...low.filter(({ why }) => why !== EACCES),
        ...last,
      ]);
      for (const { place, area } of planted) place.memory.write(area, stubBytes);
      makeWritable(planted.slice(free));
    } catch (error) {
      Foothold.remove(planted);
      throw error;
    }
    const order = new Map(places.map((place, index) => [place, index]));
    return planted.sort((one, other) => (order.get(one.place) ?? 0) - (order.get(other.place) ?? 0));
  }

  /** Unmaps the areas; the processes hold nothing of ours any more. */
  static remove(footholds: readonly Foothold[]): void {
    const outcomes = callInEach(
      footholds.map(({ place, area }) => ({ place, call: [syscalls.munmap.number, [area, BigInt(AREA_BYTES)]] })),
    );
    check(footholds, outcomes);
  }

  /** Works inside one thread until the scope ends; then the thread has its registers and mask back. */
  enter(thread: Tracee): Entered {
    const { memory } = this.place;
    const registers = repeatInterrupted(thread, leaveCriticalSection(thread, memory));
    const mask = thread.signalMask();
    const frameAt = this.area + BigInt(STUB_BYTES);
    const frame = layOutSigframe(frameAt, { registers, mask, xstate: thread.xstate() });
    memory.write(asAddress(frameAt), frame.bytes);
    const ground: Ground = {
      stub: this.area,
      scratch: { at: asAddress(frameAt + BigInt(SIGFRAME_ROOM)), sizeBytes: SCRATCH_BYTES },
      home: frame.ucontext,
    };
    return new Entered(thread, memory, ground, registers, mask);
  }
}

const ENOMEM = -12n;
/** Some may have no memory that is written and run: prctl(2) PR_SET_MDWE, SELinux' execmem. */
const EACCES = -13n;

/** A process without an area; `why`: negative errno. */
interface Without {
  readonly place: Place;
  readonly why: bigint;
}
const placesWith = (failed: readonly Without[], errno: bigint): Place[] =>
  failed.filter(({ why }) => why === errno).map(({ place }) => place);

function refuse(failed: readonly Without[]): void {
  for (const { place, why } of failed) throw cannotHold(place.leader, errnoName(-Number(why)));
}

/** Maps areas, and adds them to `planted`. Result: the processes that may not have one. */
function mapIn(
  places: readonly Place[],
  { prot, low }: { readonly prot: number; readonly low: number },
  planted: Foothold[],
): Without[] {
  const flags = BigInt(MAP.MAP_PRIVATE | MAP.MAP_ANONYMOUS | low);
  const words = [0n, BigInt(AREA_BYTES), BigInt(prot), flags, BigInt(NO_TARGET_FD), 0n];
  const call: Call = [syscalls.mmap.number, words];
  const outcomes = callInEach(places.map((place) => ({ place, call })));
  const without: Without[] = [];
  const failures: unknown[] = [];
  for (const [index, place] of places.entries()) {
    const outcome = outcomes[index];
    if (outcome === undefined) continue;
    if ("error" in outcome) failures.push(outcome.error);
    else if (isFailure(outcome.result)) without.push({ place, why: outcome.result });
    else planted.push(new Foothold(place, asAddress(outcome.result)));
  }
  if (failures.length > 0) throw failures[0];
  return without;
}

/** All but the stub, which we write as a debugger does. */
function makeWritable(footholds: readonly Foothold[]): void {
  const prot = BigInt(PROT.PROT_READ | PROT.PROT_WRITE);
  const lengthBytes = BigInt(AREA_BYTES - STUB_BYTES);
  const outcomes = callInEach(
    footholds.map(({ place, area }) => ({
      place,
      call: [syscalls.mprotect.number, [area + BigInt(STUB_BYTES), lengthBytes, prot]],
    })),
  );
  check(footholds, outcomes);
}

/** Throws what went wrong first. */
function check(footholds: readonly Foothold[], outcomes: readonly Outcome[]): void {
  for (const [index, { place }] of footholds.entries()) {
    const outcome = outcomes[index];
    if (outcome === undefined) continue;
    if ("error" in outcome) throw outcome.error;
    if (isFailure(outcome.result)) throw cannotHold(place.leader, errnoName(-Number(outcome.result)));
  }
}
