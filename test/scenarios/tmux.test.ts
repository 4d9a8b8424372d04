// tmux: terminals whose masters are in the tree, each with a session of its own: a shell, and an editor with text that is not saved.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import "../support/own-terminals.js";
import { type Program, startExecutable } from "../support/program.js";
import { atRandomMoments, testWith } from "./moments.js";
import { endingWith, startService, until } from "./round-trip.js";

class Server {
  readonly #socket: string;

  constructor(program: Program) {
    this.#socket = join(program.directory, "socket");
  }

  get listens(): boolean {
    return existsSync(this.#socket);
  }

  run(...words: string[]): string {
    const env = { PATH: process.env["PATH"], TERM: "xterm", LANG: "C.UTF-8" };
    return execFileSync("tmux", ["-S", this.#socket, ...words], { encoding: "utf8", env });
  }

  type(window: string, ...keys: string[]): void {
    this.run("send-keys", "-t", window, ...keys);
  }

  screen(window: string): string {
    return this.run("capture-pane", "-p", "-t", window);
  }

  shows(window: string, pattern: RegExp): Promise<void> {
    return until(`${window} shows ${pattern}`, () => pattern.test(this.screen(window)));
  }
}

testWith(
  ["/usr/bin/tmux", "/usr/bin/vim.tiny"],
  "tmux keeps its windows, a shell in one and vim with unsaved text in another",
  async () => {
    await using service = await startService();
    await using program = await startExecutable("/usr/bin/tmux", {
      arguments: ["-D", "-f", "/dev/null", "-S", "socket"],
      environment: { TERM: "xterm", LANG: "C.UTF-8", HOME: "/" },
      readyLine: "",
    });
    const tmux = new Server(program);
    await until("it listens", () => tmux.listens);
    const shell = "bash --norc --noprofile";
    tmux.run("new-session", "-d", "-x", "80", "-y", "20", "-s", "s", "-n", "shell", "-c", program.directory, shell);
    tmux.run("new-window", "-d", "-n", "editor", "-c", program.directory, "vim.tiny -n notes");
    using _ = endingWith(program.pid);
    tmux.type("shell", "PS1='$ '; remembered=two doubled=2; seq 100; sleep 1000 & echo $?", "Enter");
    await tmux.shows("shell", /^0$/m);
    await tmux.shows("editor", /^~$/m);
    tmux.type("editor", "ifirst line");
    await tmux.shows("editor", /first line/);
    tmux.run("set-buffer", "a buffer");

    let text = "first line";
    await atRandomMoments(service, program.pid, {
      works: async (moment) => {
        assert.match(tmux.run("capture-pane", "-p", "-S", "-200", "-t", "shell"), /^1\n2\n3\n4\n/m);
        tmux.type("shell", `echo $((doubled * ${moment})) $remembered; jobs`, "Enter");
        await tmux.shows("shell", new RegExp(`^${2 * moment} two\n\\[1\\]\\+  Running +sleep 1000 &$`, "m"));
        tmux.run("resize-window", "-t", "shell", "-x", String(80 + moment));
        // tmux tells the terminal some 250 ms later when it has just told it another size.
        tmux.type("shell", `until [ "$(stty size)" = "20 ${80 + moment}" ]; do sleep 0.05; done; stty size`, "Enter");
        await tmux.shows("shell", new RegExp(`^20 ${80 + moment}$`, "m"));
        text += ` and ${moment}`;
        tmux.type("editor", ` and ${moment}`);
        await tmux.shows("editor", new RegExp(`and ${moment}`));
        assert.equal(tmux.run("show-buffer"), "a buffer");
        tmux.run("new-window", "-d", "-n", "new", "echo fresh; exec sleep 1000");
        await tmux.shows("new", /^fresh$/m);
        tmux.run("kill-window", "-t", "new");
      },
    });
    tmux.type("editor", "Escape", "osecond", "Escape", "u", ":wq", "Enter");
    await until("the file is written", () => existsSync(join(program.directory, "notes")));
    assert.equal(readFileSync(join(program.directory, "notes"), "utf8"), `${text}\n`);
    tmux.run("kill-server");
    await program.gone();
  },
);
