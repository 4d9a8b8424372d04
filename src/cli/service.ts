// `stasis service`
import { type Given, settle } from "../options/index.js";
import { StasisError } from "../report/error.js";
import { startInBackground } from "../service/daemon.js";
import { runService } from "../service/service.js";

/** Result: the exit status. `argv`: the command line as it was. */
export async function serviceCommand(given: Given, argv: readonly string[]): Promise<number> {
  const options = settle(given, "service");
  try {
    if (options.detached) await startInBackground(inForeground(argv), options.statusFd);
    else await runService(options);
    return 0;
  } catch (error) {
    if (!(error instanceof StasisError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

/** The same command without what the process in front has done already. */
function inForeground(argv: readonly string[]): string[] {
  const [program = "", ...words] = argv;
  const kept = words.filter((word, index) => {
    const withValue = words[index - 1] === "--status-fd";
    return !withValue && !/^(-d|--daemon|--restore-detached|--status-fd(=.*)?)$/.test(word);
  });
  return [program, ...kept];
}
