// The machine code of the stub, disassembled by binutils: each line of bytes is the instruction that stands beside it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type StubPiece, stubBytes, stubOffset } from "../../src/tracee/stub.js";

const source = (path: string) => readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), "utf8");

interface Instruction {
  readonly at: number;
  readonly bytes: string;
  readonly text: string;
}

/** As objdump shows them, in Intel's syntax. */
function disassemble(code: Uint8Array): Instruction[] {
  const directory = mkdtempSync(join(tmpdir(), "stub-"));
  try {
    const file = join(directory, "code");
    writeFileSync(file, code);
    const args = ["-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "-w", "--insn-width=16", file];
    const shown = execFileSync("objdump", args, { encoding: "utf8" });
    return [...shown.matchAll(/^\s*([0-9a-f]+):\s+((?:[0-9a-f]{2} )+)\s*(.*)$/gm)].map(
      ([, at = "", bytes = "", text = ""]) => ({
        at: Number.parseInt(at, 16),
        bytes: bytes.trim(),
        text: text.replace(/\s+/g, " ").trim(),
      }),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The lines `[0x0f, 0x05], // syscall` of a source file. */
function commented(path: string): { bytes: Uint8Array; comment: string }[] {
  return [...source(path).matchAll(/^ +\[((?:0x[0-9a-f]{2}(?:, )?)+)\], \/\/ (.*)$/gm)].map(
    ([, bytes = "", comment = ""]) => ({
      bytes: Uint8Array.from(bytes.split(", ").map(Number)),
      comment,
    }),
  );
}

/** Comments say decimal numbers, [r12+8] and "jz +10 (why)"; objdump hexadecimal ones, "QWORD PTR [r12+0x8]" and where a jump leads. */
function normal(text: string, jumpBytes: number): string {
  const plain = text
    .replace(/[:;(].*$/, "")
    .replace(/(qword|QWORD|DWORD|dword) (PTR )?/g, "")
    .replace(/\bje\b/, "jz")
    .replace(/\bjne\b/, "jnz")
    .replace(/ ?, ?/g, ",")
    .trim();
  const jump = /^(j\w+) (\S+)$/.exec(plain);
  if (jump !== null) {
    const [, word, target = ""] = jump;
    const isTarget = target.startsWith("0x");
    return `${word} ${BigInt.asIntN(64, BigInt(target.replace("+", ""))) - (isTarget ? BigInt(jumpBytes) : 0n)}`;
  }
  return plain.replace(/0x[0-9a-f]+/g, (number) => String(BigInt.asIntN(64, BigInt(number))));
}

for (const name of ["kernel/call", "kernel/call-list", "kernel/cpuid", "kernel/list-code", "tracee/stub"]) {
  const path = `src/${name}.ts`;
  test(`every line of machine code in ${path} is what it says`, () => {
    const lines = commented(path);
    assert.ok(lines.length > 5);
    for (const { bytes, comment } of lines) {
      const [first, ...more] = disassemble(bytes);
      assert.ok(first !== undefined && more.length === 0, `${comment}: one instruction`);
      assert.equal(normal(first.text, bytes.length), normal(comment, 0), comment);
    }
  });
}

const shown = () => disassemble(stubBytes);

test("every jump of the stub leads to an instruction of its own piece", () => {
  const instructions = shown();
  const starts = Object.values(stubOffset).map(Number);
  const pieceOf = (at: number) => starts.filter((start) => start <= at).length;
  const jumps = instructions.filter(({ text }) => /^j/.test(text));
  assert.ok(jumps.length >= 4);
  for (const { at, text } of jumps) {
    const target = Number(/0x([0-9a-f]+)$/.exec(text)?.[0]);
    assert.ok(
      instructions.some((one) => one.at === target),
      `${text} at ${at}`,
    );
    assert.equal(pieceOf(target), pieceOf(at), `${text} at ${at}`);
  }
});

test("every piece of the stub begins with the instruction that it is for, and no piece runs into the next", () => {
  const instructions = shown();
  const at = (piece: StubPiece) => instructions.find((one) => one.at === Number(stubOffset[piece]))?.text;
  for (const piece of ["oneCall", "oneClone"] as const) assert.equal(at(piece), "syscall", piece);
  for (const piece of Object.keys(stubOffset) as StubPiece[]) {
    if (Number(stubOffset[piece]) === 0) continue;
    const before = instructions.filter((one) => one.at < Number(stubOffset[piece])).at(-1);
    assert.equal(before?.text, "ud2", `what is before ${piece}`);
  }
});

test("whatever leaves the stub does so by rt_sigreturn, exit_group or a trap", () => {
  const ends = shown().flatMap(({ text }, index, all) =>
    text === "ud2" ? all.slice(Math.max(0, index - 2), index) : [],
  );
  for (let index = 0; index < ends.length; index += 2) {
    const [number, last] = [ends[index]?.text, ends[index + 1]?.text];
    const isHome = last === "syscall" && (number === "mov eax,0xf" || number === "mov eax,0xe7");
    assert.ok(isHome || last === "int3" || /^jmp/.test(last ?? ""), `${number}; ${last}`);
  }
});
