// Help, completion and manual say what the table of options has, and what they say is read.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readCommandLine } from "../../src/cli/command-line.js";
import { about, commandNames, commands } from "../../src/cli/commands.js";
import { bashCompletion, zshCompletion } from "../../src/cli/completion.js";
import { hasNoForm, helpOf, optionForms, optionsOf } from "../../src/cli/help.js";
import { manualPage } from "../../src/cli/manual.js";
import { meansSomething, optionNames, options } from "../../src/options/index.js";
import { program } from "../service/running-service.js";

const directory = mkdtempSync(join(tmpdir(), "help-"));
after(() => rmSync(directory, { recursive: true }));
const root = fileURLToPath(new URL("../../../", import.meta.url));

function kept(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

for (const command of commandNames) {
  test(`the help of ${command} has each of its options, what it is for and an example, and no line is too long`, () => {
    const help = helpOf(command);
    const { operation, description } = about(command);
    for (const name of optionNames) {
      const { cli, summary, isRefused } = options[name];
      const belongs =
        operation !== undefined && cli !== undefined && isRefused !== true && meansSomething(options[name], operation);
      assert.equal(help.includes(`\n  ${optionForms(name)}\n`), belongs, name);
      if (belongs) assert.ok(help.replaceAll(/\s+/g, " ").includes(summary), summary);
    }
    assert.ok(help.replaceAll(/\s+/g, " ").includes(description));
    const tooLong = help.split("\n").filter((line) => line.length > 80 && line.startsWith("      "));
    assert.deepEqual(tooLong, []);
  });
}

test("--help and -h print it wherever they stand, with status 0", () => {
  for (const args of [
    ["dump", "--help"],
    ["-h", "dump"],
    ["dump", "-t", "1", "-h"],
  ]) {
    const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
    assert.deepEqual([status, stdout], [0, helpOf("dump")], args.join(" "));
  }
  assert.equal(spawnSync(program, ["--help"], { encoding: "utf8" }).stdout, helpOf(undefined));
  for (const name of commandNames)
    assert.ok(helpOf(undefined).includes(`${name}  `) || helpOf(undefined).includes(` ${name} `), name);
});

test("what help says can be written is read: every flag and its no- form, every word of a choice", () => {
  for (const name of optionNames) {
    const { cli, argument, isRefused, words = [] } = options[name];
    if (cli === undefined || isRefused === true) continue;
    if (argument === "none") assert.equal(readCommandLine(["dump", `--${cli}`]).given[name], true, cli);
    if (hasNoForm(name)) assert.equal(readCommandLine(["dump", `--no-${cli}`]).given[name], false, cli);
    for (const word of words)
      assert.notEqual(readCommandLine(["dump", `--${cli}=${word}`]).given[name], undefined, word);
  }
});

/** What bash offers behind these words. */
function completions(...words: string[]): string[] {
  const script = kept("bash", bashCompletion());
  const list = ["stasis", ...words].map((word) => `'${word}'`).join(" ");
  const code = `source ${script}; COMP_WORDS=(${list}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _stasis 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, status, stderr } = spawnSync("bash", ["--norc", "-c", code], { encoding: "utf8", cwd: directory });
  assert.equal(status, 0, stderr);
  return stdout.split("\n").filter((line) => line !== "");
}

test("bash completes commands, their options, words of choices, directories", () => {
  assert.deepEqual(
    completions("")
      .filter((word) => !word.startsWith("-"))
      .toSorted(),
    Object.keys(commands).toSorted(),
  );
  assert.deepEqual(completions("du"), ["dump"]);
  for (const command of commandNames) {
    const offered = new Set(completions(command, "--"));
    for (const name of optionsOf(command)) {
      const { cli } = options[name];
      assert.ok(offered.has(`--${cli}`), `${command} --${cli}`);
      assert.equal(offered.has(`--no-${cli}`), hasNoForm(name), `${command} --no-${cli}`);
    }
    assert.ok(offered.has("--help"));
  }
  assert.deepEqual(completions("dump", "--network-lock", "nf"), ["nftables"]);
  assert.deepEqual(completions("dump", "-D", "/us"), ["/usr"]);
  assert.deepEqual(completions("completion", "z"), ["zsh"]);
  assert.deepEqual(completions("explain", "--js"), ["--json"]);
});

/** What our completion hands to _arguments of zshcompsys(1), a word a line. */
function zshArguments(command: string): string {
  const script = kept("zsh", zshCompletion());
  const code = `compdef() { : }; _arguments() { print -rl -- "$@" }; source ${script}; words=(stasis ${command} ''); CURRENT=3; _stasis`;
  const { stdout, status, stderr } = spawnSync("zsh", ["-f", "-c", code], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout;
}

test("zsh reads its completion, which offers each option with its summary", () => {
  const { status, stderr } = spawnSync("zsh", ["-n", kept("zsh", zshCompletion())], { encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
  for (const command of commandNames) {
    const offered = zshArguments(command);
    for (const name of optionsOf(command)) {
      const { cli } = options[name];
      assert.match(offered, new RegExp(`^--${cli}(=|=-)?\\[`, "m"), `${command} --${cli}`);
      assert.equal(new RegExp(`^--no-${cli}\\[`, "m").test(offered), hasNoForm(name), `${command} --no-${cli}`);
    }
  }
});

test("the manual has every command and option, and groff has nothing to say against it", () => {
  const page = kept("stasis.1", manualPage());
  const { stdout, stderr, status } = spawnSync("groff", ["-man", "-ww", "-Tascii", "-P-cbou", "-rLL=200n", page], {
    encoding: "utf8",
  });
  assert.deepEqual([status, stderr], [0, ""]);
  const text = stdout.replaceAll(/\s+/g, " ");
  for (const command of commandNames) assert.ok(text.includes(` ${command} `), command);
  for (const name of new Set(commandNames.flatMap(optionsOf)))
    assert.ok(text.includes(optionForms(name)), optionForms(name));
  for (const name of optionNames)
    if (options[name].isRefused && options[name].cli !== undefined)
      assert.ok(text.includes(`--${options[name].cli}`), name);
});

test("the manual is installed with the package", () => {
  const { man, files } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.equal(readFileSync(join(root, man), "utf8"), manualPage());
  assert.ok(files.includes(man.split("/")[1]));
});
