import { provesAfterTrip } from "../../support/proofs.js";

provesAfterTrip("BPF maps", {
  "bpf-maps": {
    proves: {
      hash: "a hash table has all its elements, and no more",
      empty: "one without elements has none",
      array: "an array has its values",
      frozen: "a frozen one has its values and takes no other",
      lru: "a table that forgets has what it had",
      trie: "a trie finds the longest prefix",
      each: "an array for each processor has the values of each",
      one: "descriptors of one map are of one map again",
      reading: "a descriptor for reading reads, and does not write",
      writing: "a descriptor for writing writes, and does not read",
      "only-written": "a map that the program can write to alone has its elements",
      name: "maps have their names",
    },
  },
});
