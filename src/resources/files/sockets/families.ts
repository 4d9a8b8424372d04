// What sockets that no kind here knows are called: socket(2), include/linux/socket.h.
import { SO_DOMAIN } from "../../../kernel/abi/socket.js";
import type { OpenFile } from "../../kind.js";
import { readNumber } from "./options.js";

const names: Readonly<Record<number, string>> = {
  3: "AX.25",
  15: "the kernel's key management (AF_KEY)",
  21: "RDS",
  24: "PPP over X (AF_PPPOX)",
  29: "CAN, a bus of vehicles (AF_CAN)",
  30: "TIPC",
  31: "Bluetooth (AF_BLUETOOTH)",
  33: "RxRPC",
  38: "the kernel's cryptography (AF_ALG)",
  39: "NFC",
  40: "virtual machines and their host, vsock(7)",
  41: "KCM",
  42: "Qualcomm IPC (AF_QIPCRTR)",
  43: "SMC",
  44: "XDP (AF_XDP)",
  45: "MCTP",
};

export function familyOf({ duplicate }: OpenFile): string {
  const family = readNumber(duplicate, SO_DOMAIN);
  return names[family] ?? `address family ${family}`;
}
