// How the service listens and whom it serves. Not of a request, and CRIU has none of these but the address. Alphabetical.
import { integer, text } from "./kinds.js";

const service = ["service"] as const;

export const serviceOptions = {
  address: text({ cli: "address", placeholder: "SOCKET", applies: service, summary: "the path of the socket" }),
  allowedUsers: text({
    cli: "allow",
    placeholder: "USERS",
    applies: service,
    summary:
      "who may ask besides root and the owner, as themselves: any, or users and @groups, with commas (default: nobody)",
  }),
  hangSeconds: integer(
    {
      cli: "hang-timeout",
      placeholder: "SECONDS",
      applies: service,
      summary: "a worker that gives no sign of life for so many seconds is ended (default 120); 0: never",
    },
    { default: 120, least: 0, most: 86_400 },
  ),
  idleSeconds: integer(
    {
      cli: "idle-timeout",
      placeholder: "SECONDS",
      applies: service,
      summary: "how many seconds a client may say nothing (default 300); 0: any",
    },
    { default: 300, least: 0, most: 86_400 },
  ),
  maxConnections: integer(
    {
      cli: "max-connections",
      applies: service,
      summary: "how many clients are served at once (default 64); more wait",
    },
    { default: 64, least: 1, most: 1024 },
  ),
  socketGroup: text({
    cli: "socket-group",
    placeholder: "GROUP",
    applies: service,
    summary: "the group of the socket, by name or number",
  }),
  socketMode: text({
    cli: "socket-mode",
    placeholder: "MODE",
    applies: service,
    summary: "the mode of the socket in octal (default 0666: each client is checked when it asks)",
  }),
  workers: integer(
    { cli: "workers", applies: service, summary: "how many processes wait for the next connection (default 2)" },
    { default: 2, least: 1, most: 64 },
  ),
} as const;
