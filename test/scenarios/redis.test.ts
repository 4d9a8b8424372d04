// Redis, whose clients keep their TCP connections over the dump: one in a transaction, one that waits, one that listens, one that never stops asking.
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { startExecutable } from "../support/program.js";
import { freePort } from "./free-port.js";
import { atRandomMoments, testWith } from "./moments.js";
import { endingWith, startService, until } from "./round-trip.js";

const KEYS = 50_000;

/** One connection. Commands go out inline; answers are lines, as they come. */
class Client implements Disposable {
  readonly #socket: Socket;
  readonly #lines: string[] = [];
  #rest = "";
  #failure: Error | undefined;

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.setEncoding("utf8").setNoDelay();
    this.#socket.on("data", (text) => {
      const lines = (this.#rest + text).split("\r\n");
      this.#rest = lines.pop() ?? "";
      this.#lines.push(...lines);
    });
    this.#socket.on("error", (error) => {
      this.#failure = error;
    });
    this.#socket.on("end", () => {
      this.#failure = new Error("the server closed the connection");
    });
  }

  send(command: string): void {
    this.#socket.write(`${command}\r\n`);
  }

  /** Waits for as many lines. */
  async lines(count: number): Promise<string[]> {
    await until(`${count} lines come`, () => {
      if (this.#failure !== undefined) throw this.#failure;
      return this.#lines.length >= count;
    });
    return this.#lines.splice(0, count);
  }

  async ask(command: string, count = 1): Promise<string> {
    this.send(command);
    return (await this.lines(count)).join(" ");
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** Asks for the next number, again and again, until it is told to stop; result: how many there were. */
function counting(client: Client): { stop(): Promise<number> } {
  const end = new AbortController();
  const all = (async () => {
    let number = 0;
    while (!end.signal.aborted) assert.equal(await client.ask("incr number"), `:${++number}`);
    return number;
  })();
  all.catch(() => undefined);
  return {
    stop() {
      end.abort();
      return all;
    },
  };
}

testWith(
  ["/usr/bin/redis-server"],
  "Redis with 50,000 keys goes on serving its clients on their connections",
  async () => {
    const port = await freePort();
    await using service = await startService();
    const settings = [
      `--port ${port}`,
      "--bind 127.0.0.1",
      "--appendonly yes",
      "--enable-debug-command yes",
      "--hz 100",
    ];
    await using program = await startExecutable("/usr/bin/redis-server", {
      arguments: [...settings.flatMap((setting) => setting.split(" ")), "--save", "", "--logfile", ""],
      readyLine: "",
    });
    using _ = endingWith(program.pid);
    await until("it listens", () => program.output().includes("Ready to accept connections"));
    using talker = new Client(port);
    using asker = new Client(port);
    using waiter = new Client(port);
    using listener = new Client(port);
    assert.equal(await talker.ask(`debug populate ${KEYS} key 64`), "+OK");
    assert.equal(await listener.ask("subscribe news", 6), "*3 $9 subscribe $4 news :1");
    const digest = await talker.ask("debug digest");
    const count = counting(asker);

    const begin = async () => {
      assert.equal(await talker.ask("set passing by px 1"), "+OK");
      waiter.send("blpop queue 0");
      assert.equal(await talker.ask("multi"), "+OK");
      assert.equal(await talker.ask("incr transactions"), "+QUEUED");
    };
    const finish = async (moment: number) => {
      assert.equal(await talker.ask("exec", 2), `*1 :${moment}`);
      assert.equal(await talker.ask("get passing"), "$-1");
      assert.equal(await talker.ask(`rpush queue ${moment}`), ":1");
      assert.equal((await waiter.lines(5)).at(-1), String(moment));
      assert.equal(await talker.ask(`publish news ${moment}`), ":1");
      assert.equal((await listener.lines(7)).at(-1), String(moment));
    };
    await begin();
    await atRandomMoments(service, program.pid, {
      options: { tcpEstablished: true },
      works: async (moment) => {
        await finish(moment);
        await begin();
      },
    });
    assert.equal(await talker.ask("discard"), "+OK");
    assert.ok((await count.stop()) > 10);
    assert.equal(await talker.ask("del number transactions"), ":2");
    assert.equal(await talker.ask("debug digest"), digest);
    assert.equal(await talker.ask("bgrewriteaof"), "+Background append only file rewriting started");
    await until("a child has written the file", () =>
      program.output().includes("Background AOF rewrite finished successfully"),
    );
    talker.send("shutdown");
    await until("it ends", () => program.output().includes("Redis is now ready to exit, bye bye..."));
    await program.gone();
  },
);
