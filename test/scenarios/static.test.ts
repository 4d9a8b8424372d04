import { test } from "node:test";
import { startProgram } from "../support/program.js";
import { roundTrip, startService } from "./round-trip.js";

test("a statically linked multi-threaded program keeps its timers going", async () => {
  await using service = await startService();
  await using program = await startProgram("timers", { linked: "static" });
  await roundTrip(service, program.pid);
  program.signal("SIGUSR2");
  await program.waitFor("restored");
});
