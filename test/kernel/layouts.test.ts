// Every struct that src/kernel/abi declares, against the running kernel.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import type { Layout } from "../../src/kernel/declare/struct.js";
import { Btf, type KernelStruct } from "./btf.js";

const KERNEL = "/sys/kernel/btf/vmlinux";

/** Layouts that BTF cannot confirm, each with its reason. */
const notInBtf: Readonly<Record<string, string>> = {
  f_owner_uids: "fcntl(F_GETOWNER_UIDS) writes two uid_t without a struct: fs/fcntl.c",
};
/** Fields of ours that stand for something that the kernel has no one member for. */
const notAMember: Readonly<Record<string, string>> = {
  "tcp_info.tcpi_wscale": "two bit fields, together",
  "siginfo.rest": "what the union _sifields holds depends on si_code",
  "user_desc.bits": "bit fields, together",
};
/** Structs that ours shows the beginning of, or that grow with the kernel: their size is the size that we pass. */
const mayBeLarger: Readonly<Record<string, string>> = {
  tcp_info: "the kernel gives as much of it as we have room for",
  bpf_attr: "a union: each command looks at its own beginning of it",
  bpf_map_info: "the kernel gives as much of it as we have room for",
};

const abi = new URL("../../src/kernel/abi/", import.meta.url);
const files = readdirSync(abi, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".js"));

function isLayout(value: unknown): value is Layout<unknown> {
  return typeof value === "object" && value !== null && "fields" in value && "decode" in value && "sizeBytes" in value;
}

/** What is wrong with our layout when held against the kernel's; nothing: they agree. */
function differences(ours: Layout<unknown>, kernel: KernelStruct): string[] {
  const wrong: string[] = [];
  const larger = ours.name in mayBeLarger && kernel.sizeBytes >= ours.sizeBytes;
  if (kernel.sizeBytes !== ours.sizeBytes && !larger)
    wrong.push(`${ours.sizeBytes} bytes here, ${kernel.sizeBytes} in the kernel`);
  for (const { name, offset, sizeBytes } of ours.fields) {
    if (`${ours.name}.${name}` in notAMember) continue;
    const shown = `${name} at ${offset}, ${sizeBytes} bytes`;
    const named = kernel.members.filter((member) => member.name === name);
    const candidates = named.length > 0 ? named : kernel.members;
    if (candidates.some((member) => member.offset === offset && member.sizeBytes === sizeBytes)) continue;
    const theirs = named.map((member) => `at ${member.offset}, ${member.sizeBytes} bytes`).join(" or ");
    wrong.push(`${shown}; in the kernel ${theirs || "nothing of that size is there"}`);
  }
  return wrong;
}

const missing = existsSync(KERNEL) ? false : `no ${KERNEL}: the kernel is built without CONFIG_DEBUG_INFO_BTF`;
test("the kernel describes its structs, so that CI can check ours", {
  skip: process.env["CI"] === "true" ? false : missing,
}, () => {
  assert.equal(missing, false);
});

const btf = missing === false ? Btf.ofKernel() : undefined;
for (const file of files) {
  const module: Readonly<Record<string, unknown>> = await import(new URL(file, abi).href);
  for (const layout of Object.values(module).filter(isLayout)) {
    const skip = missing === false ? (notInBtf[layout.name] ?? false) : missing;
    test(`struct ${layout.name} of abi/${file.replace(/js$/, "ts")} lies as in the running kernel`, { skip }, () => {
      const kernels = btf?.structs(layout.name) ?? [];
      assert.notEqual(kernels.length, 0, `the kernel has no struct ${layout.name}`);
      const results = kernels.map((kernel) => differences(layout, kernel));
      assert.ok(
        results.some((wrong) => wrong.length === 0),
        results.map((wrong) => wrong.join("\n")).join("\n\n"),
      );
    });
  }
}
