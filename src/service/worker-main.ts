// What the supervisor starts. Its one argument are its settings, WorkerSettings as JSON.
import { setFlagsFromString } from "node:v8";

// A worker lives for a few requests: it compiles everything while it waits.
setFlagsFromString("--no-lazy");
const { work } = await import("./worker.js");
const { engine } = await import("./engine.js");
process.exit(work(engine, JSON.parse(process.argv[2] ?? "")));
