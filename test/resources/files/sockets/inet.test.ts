import { treeView } from "../../../support/kernel-view.js";
import { socketsOf } from "../../../support/net-view.js";
import { provesAfterTrip } from "../../../support/proofs.js";

provesAfterTrip("internet sockets", {
  "inet-sockets": {
    proves: {
      options: "options of socket(7), ip(7) and tcp(7)",
      more: "options that CRIU's format has no field for",
      listens: "a listening socket has its backlog and serves",
      shared: "two sockets bound to one address that took SO_REUSEADDR back",
      reuseport: "two that listen at one port",
      dual: "an IPv6 socket that IPv4 connects to",
      v6only: "and one beside it that only IPv6 does",
      freebind: "an address that no interface has",
      udp: "a connected datagram socket keeps its port",
      udp_half: "a datagram socket that was shut down for writing",
      youngest: "of two datagram sockets with one address the younger one is found",
      udp6: "datagrams over IPv6",
      raw: "a raw socket has its filter of ICMP types",
      filter: "an attached filter program",
    },
    view: ({ pid }) => [treeView(pid), socketsOf(pid)],
  },
});
