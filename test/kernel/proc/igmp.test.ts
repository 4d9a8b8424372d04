import assert from "node:assert/strict";
import { test } from "node:test";
import { parseIgmp, parseIgmp6, readIgmp, readIgmp6 } from "../../../src/kernel/proc/igmp.js";
import { ProcFormatError } from "../../../src/kernel/proc/read.js";
import { understandsOrRefuses } from "./throws-only.js";

const IGMP = `Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
1\tlo        :     2      V3
\t\t\t\t030201E0     1 0:00000000\t\t0
\t\t\t\t010000E0     1 0:00000000\t\t0
12\tverylongdevice:     1      V2
\t\t\t\t010000E0     1 0:00000000\t\t0
`;
const IGMP6 = `1    lo              ff020000000000000000000000000001     1 0000000C 0
12   verylongdevice0 ff020000000000000000000000001234     1 00000004 0
`;

test("groups are told with the interface that is in them", () => {
  assert.deepEqual(
    parseIgmp(IGMP).map(({ interfaceIndex, group }) => `${interfaceIndex} ${group.join(".")}`),
    ["1 224.1.2.3", "1 224.0.0.1", "12 224.0.0.1"],
  );
  assert.deepEqual(
    parseIgmp6(IGMP6).map(({ interfaceIndex, group }) => `${interfaceIndex} ${group.at(-2)} ${group.at(-1)}`),
    ["1 0 1", "12 18 52"],
  );
  assert.ok(readIgmp().length > 0);
  assert.ok(Array.isArray(readIgmp6()));
});

test("a group without an interface is refused, and any other line", () => {
  assert.throws(() => parseIgmp(`Idx\n\t\t\t\t010000E0     1 0:0\t\t0\n`), ProcFormatError);
  assert.throws(() => parseIgmp6("1 lo ff02\n"), ProcFormatError);
});

test("any text gives groups or is refused", () => {
  understandsOrRefuses(parseIgmp, [IGMP]);
  understandsOrRefuses(parseIgmp6, [IGMP6]);
});
