// What the supervisor starts. Its one argument is the level of the log.
import { engine } from "./engine.js";
import { work } from "./worker.js";

process.exit(work(engine, Number(process.argv[2])));
