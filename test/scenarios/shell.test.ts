// An interactive shell on a terminal whose master is outside of the tree: the client gets a new one (orphan_pts_master). It remembers, and its jobs obey.
import assert from "node:assert/strict";
import { test } from "node:test";
import "../support/own-terminals.js";
import { startExecutable } from "../support/program.js";
import { atRandomMoments } from "./moments.js";
import { endingWith, startService } from "./round-trip.js";
import { Terminal } from "./terminal.js";

test("a shell with a job stopped and one in the background remembers its variables and obeys Ctrl-C, Ctrl-Z and fg", async () => {
  using terminal = new Terminal();
  await using service = await startService();
  await using program = await startExecutable("/bin/sh", {
    arguments: ["-c", `exec bash --norc --noprofile -i <>/dev/pts/${terminal.number} >&0 2>&1`],
    environment: { TERM: "dumb", HISTFILE: "", PS1: "$ " },
    readyLine: "",
  });
  const run = async (command: string, shows = /\n\$ $/) => {
    terminal.type(`${command}\n`);
    return (await terminal.shows(shows)).replaceAll("\r", "").replace(/\n\$ $/, "");
  };
  /** What a command prints. After a restore the shell is told once more that a job has stopped, and may say so before its next prompt. */
  const answer = async (command: string) => (await run(command)).split("\n\n[2]+")[0]?.split("\n").slice(1);
  await terminal.shows(/\$ $/);
  await run("stty rows 30 cols 100");
  await run("remembered='three four'; double() { echo $(($1 * 2)); }; alias again='echo once more'; cd /usr");
  await run("sleep 1000 &");
  // What is typed before it has started would be the shell's.
  await run("sh -c 'echo here; exec cat'", /\nhere\r\n$/);
  terminal.type("line for cat\n");
  await terminal.shows(/line for cat\r\nline for cat\r\n/);
  terminal.type("\x1a");
  await terminal.shows(/Stopped.*cat'\r\n\$ $/);
  using _ = endingWith(program.pid);

  await atRandomMoments(service, program.pid, {
    options: { orphanPtsMaster: true },
    onNotify: terminal.onNotify,
    works: async (moment) => {
      assert.deepEqual(await answer("echo $remembered $(double 21); again; pwd"), [
        "three four 42",
        "once more",
        "/usr",
      ]);
      const jobs = (await answer("jobs"))?.map((line) => line.split(/\s+/).slice(0, 3).join(" "));
      assert.deepEqual(jobs, ["[1]- Running sleep", "[2]+ Stopped sh"]);
      // A job in the foreground is interrupted, the shell is not.
      await run("sh -c 'echo here; exec sleep 1001'", /\nhere\r\n$/);
      terminal.type("\x03");
      await terminal.shows(/\^C\r\n\$ $/);
      assert.deepEqual(await answer("echo $?"), ["130"]);
      // The stopped one goes on where it was, and is stopped again.
      terminal.type("fg\n");
      await terminal.shows(/fg\r\nsh .*cat'\r\n/);
      terminal.type(`line ${moment}\n`);
      await terminal.shows(new RegExp(`line ${moment}\r\nline ${moment}\r\n`));
      terminal.type("\x1a");
      await terminal.shows(/Stopped.*cat'\r\n\$ $/);
      assert.deepEqual(await answer("stty size"), ["30 100"]);
    },
  });
  await run("kill %1; kill -9 %2; wait");
  terminal.type("exit\n");
  await program.gone();
});
