// Every syscall number against the header of the C library's kernel: <asm/unistd_64.h>.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { syscalls } from "../../src/kernel/syscalls.js";

const HEADERS = ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"];
const header = HEADERS.find((path) => existsSync(path));
const missing = header === undefined ? "no <asm/unistd_64.h>: install linux-libc-dev" : false;

test("the header with the numbers is installed, so that CI can check ours", {
  skip: process.env["CI"] === "true" ? false : missing,
}, () => {
  assert.equal(missing, false);
});

const text = header === undefined ? "" : readFileSync(header, "latin1");
const numbers = new Map(
  [...text.matchAll(/^#define __NR_(\w+) (\d+)$/gm)].map(([, name, number]) => [name, Number(number)]),
);

test("every syscall has the number of the header", { skip: missing }, () => {
  const wrong = Object.values(syscalls).filter(({ name, number }) => numbers.get(name) !== number);
  assert.deepEqual(
    wrong.map(({ name, number }) => `${name} is ${number} here, ${numbers.get(name) ?? "missing"} there`),
    [],
  );
});
