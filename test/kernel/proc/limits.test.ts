import assert from "node:assert/strict";
import { test } from "node:test";
import { asPid } from "../../../src/kernel/brand.js";
import { parseLimits, readLimits, UNLIMITED } from "../../../src/kernel/proc/limits.js";
import { understandsOrRefuses } from "./throws-only.js";

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max file size             unlimited            unlimited            bytes     
Max data size             unlimited            unlimited            bytes     
Max stack size            8388608              unlimited            bytes     
Max core file size        0                    unlimited            bytes     
Max resident set          unlimited            unlimited            bytes     
Max processes             96365                96365                processes 
Max open files            1024                 20000                files     
Max locked memory         8388608              8388608              bytes     
Max address space         18446744073709551614 unlimited            bytes     
Max file locks            unlimited            unlimited            locks     
Max pending signals       96365                96365                signals   
Max msgqueue size         819200               819200               bytes     
Max nice priority         0                    0                    
Max realtime priority     0                    0                    
Max realtime timeout      unlimited            unlimited            us        
`;
const RLIMIT_STACK = 3;
const RLIMIT_NOFILE = 7;
const RLIMIT_AS = 9;

test("limits come by the numbers of RLIMIT_*", () => {
  const limits = parseLimits(LIMITS);
  assert.equal(limits.length, 16);
  assert.deepEqual(limits[RLIMIT_STACK], { soft: 8388608n, hard: UNLIMITED });
  assert.deepEqual(limits[RLIMIT_NOFILE], { soft: 1024n, hard: 20000n });
  assert.deepEqual(limits[RLIMIT_AS], { soft: UNLIMITED - 1n, hard: UNLIMITED });
  assert.deepEqual(limits[14], { soft: 0n, hard: 0n });
});

test("a limit that is not shown is refused by name", () => {
  assert.throws(() => parseLimits(LIMITS.replace(/Max file locks.*\n/, "")), /Max file locks/);
});

test("any text gives limits or is refused", () => {
  understandsOrRefuses(parseLimits, [LIMITS]);
});

test("we have limits ourselves", () => {
  assert.equal(readLimits(asPid(process.pid))?.length, 16);
  assert.equal(readLimits(asPid(0x3fffff)), undefined);
});
