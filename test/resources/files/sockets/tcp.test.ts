import { treeView } from "../../../support/kernel-view.js";
import { socketsOf } from "../../../support/net-view.js";
import { provesAfterTrip } from "../../../support/proofs.js";

provesAfterTrip("TCP connections", {
  "tcp-connections": {
    proves: {
      talks: "both ends talk on",
      talks6: "over IPv6",
      mapped: "over IPv4 between IPv6 sockets",
      options: "options, and what both ends agreed on when they met",
      unread: "what was not read yet is read",
      full: "what was not sent yet arrives, every byte once",
      half: "a direction that ended after last words",
      answered: "and the other one still carries an answer",
      half6: "the same over IPv6",
      closed: "what a closed end had sent is read, and then comes its end",
      stuck: "an end that could not be sent yet is sent after all data",
      over: "a connection that is over is over",
      deaf: "an end that does not listen any more",
    },
    options: { tcpEstablished: true },
    view: ({ pid }) => [treeView(pid), socketsOf(pid)],
  },
});
