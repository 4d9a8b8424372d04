import "../../../support/own-terminals.js";
import { provesAfterTrip } from "../../../support/proofs.js";

provesAfterTrip("terminals", {
  "pty-state": {
    proves: {
      number: "a pty has its number again",
      termios: "what is set on a terminal is set again",
      size: "the window has its size again",
      packets: "a master in packet mode is in packet mode again",
      packet: "and gets packets",
      exclusive: "a terminal for exclusive use is so again",
      lock: "a locked slave is locked again",
      owner: "a slave has its owner and permissions again",
      line: "a line that waited to be read can be read",
      "empty line": "so can an empty one",
      "line without newline": "and one that an end of file ended",
      "end of file": "an end of file that waited is met",
      "half a line": "a line that was not ended cannot be read yet",
      "rest of the line": "and can when it is ended",
      output: "what a slave wrote can be read at the master",
      "raw count": "what waits in a terminal without lines waits again",
      raw: "and is what it was",
      "closed slave": "a master sees that its slave was closed, and only then",
      "last words": "and what was written before",
      "hung up": "a slave that was hung up reads as ended",
      "hung up, too": "and answers to nothing",
      session: "a session has its controlling terminal again",
      foreground: "a process group is in the foreground again",
      current: "/dev/tty is that terminal",
      interrupt: "Ctrl-C ends who is in the foreground",
    },
  },
});
