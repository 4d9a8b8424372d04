import { treeView } from "../../../support/kernel-view.js";
import { provesAfterTrip } from "../../../support/proofs.js";
import { socketView } from "../../../support/socket-view.js";

provesAfterTrip("netlink and packet sockets", {
  "netlink-packet": {
    view: ({ pid }) => [treeView(pid), socketView(pid)],
    proves: {
      asks: "a netlink socket asks, and the kernel answers",
      bound: "one with a number and a group keeps both",
      many: "groups beyond the first 32",
      packet: "a packet socket with filter, membership and options sees packets",
      ring: "a mapped ring is filled",
    },
  },
});
