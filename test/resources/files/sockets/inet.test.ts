import { treeView } from "../../../support/kernel-view.js";
import { socketsOf } from "../../../support/net-view.js";
import { provesAfterTrip } from "../../../support/proofs.js";
import { socketView } from "../../../support/socket-view.js";

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
    view: ({ pid }) => [treeView(pid), socketsOf(pid), socketView(pid)],
  },
  "udp-queues": {
    proves: {
      first: "a datagram that waits is from whom it came, and was sent to the address that it was sent to",
      empty: "also one without content",
      closed: "one of a socket that is closed by then, to another address of this machine",
      odd: "of an odd length; and none comes twice",
      large: "three of nearly the greatest length, in order",
      connected: "one that waits in a connected socket",
      six: "one over IPv6",
      both: "one over each of them, in a socket for both",
      peeked: "one that the program has looked at already",
      lite: "one of UDP-Lite",
      after: "what is sent afterwards arrives",
    },
    view: ({ pid }) => [treeView(pid), socketsOf(pid), socketView(pid)],
  },
  multicast: {
    proves: {
      all: "a member of two groups gets what is sent to either",
      none: "and nothing that is sent to others",
      one: "a member that takes a group from one source gets that",
      but: "one that takes it from all sources but one does not get that",
      six: "a member of a group of IPv6",
      mapped: "which is in one of IPv4 as well",
    },
    view: ({ pid }) => [treeView(pid), socketsOf(pid), socketView(pid)],
  },
});
