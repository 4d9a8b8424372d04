// The commands, for people: what each does, what stands behind it, an example. Help, completion and manual come from this and the options.
import type { Operation } from "../options/index.js";

export interface CommandAbout {
  readonly summary: string;
  /** Whose options it takes; absent: none. */
  readonly operation?: Operation;
  /** What stands behind it besides options. */
  readonly operands?: string;
  /** Words that may stand there, for completion. */
  readonly words?: readonly string[];
  readonly description: string;
  readonly examples?: readonly string[];
}

export const commands = {
  dump: {
    summary: "dump a process tree (-t) into images",
    operation: "dump",
    description:
      "Stops the processes of the tree under PID, writes all that they are into the images directory, and ends them; with --leave-running they go on after a pause that does not grow with their memory. When the dump is refused or fails they run on as if nothing had happened.",
    examples: [
      "stasis dump -t 4711 -D images",
      "stasis dump -t 4711 -D images --leave-running --shell-job --tcp-established",
    ],
  },
  restore: {
    summary: "restore the process tree in the images",
    operation: "restore",
    operands: "[-- PROGRAM ARGUMENTS]",
    description:
      "Makes the processes again, with the same pids, as they were when they were dumped. Without -d the command ends when every one of them has ended. When it fails nothing of the tree is left behind.",
    examples: ["stasis restore -D images -d", "stasis restore -D images --exec-cmd -- supervisor --watch"],
  },
  check: {
    summary: "say what this host has of what is needed",
    operation: "check",
    description:
      "Looks for everything in the kernel, our capabilities, sysctls and programs that matters, and says what works without it and how to get it. Its status is 0 when dump and restore are possible.",
    examples: ["stasis check", "stasis check --json", "stasis check --feature seccomp_filters"],
  },
  explain: {
    summary: "say what a dump of a tree would contain, and what would stop it",
    operation: "explain",
    operands: "PID",
    description:
      "Looks at the tree under PID while it runs on, with the options that the dump would have: its processes, memory, files and sockets, the size of the images, and every sentence with which a dump would be refused. Its status is 0 when there is none.",
    examples: ["stasis explain 4711", "stasis explain 4711 --json --tcp-established"],
  },
  cpuinfo: {
    summary: "dump: describe the processor in the images; check: compare it with them",
    operation: "cpuinfo",
    operands: "dump|check",
    words: ["dump", "check"],
    description: "Writes what this processor can do to the images directory, or says whether it can do what is there.",
    examples: ["stasis cpuinfo check -D images --cpu-cap=ins"],
  },
  service: {
    summary: "serve criurpc on a socket (--address)",
    operation: "service",
    description:
      "Serves the RPC of CRIU until SIGTERM. Root and the owner of the service may ask; with --allow other users too, each as themselves.",
    examples: ["stasis service --address /run/stasis.socket --daemon --pidfile /run/stasis.pid"],
  },
  swrk: {
    summary: "serve criurpc on the inherited socket FD",
    operation: "service",
    operands: "FD",
    description: "Serves one connection on a SEQPACKET socket that the client has made, as its child.",
  },
  image: {
    summary: "look into images as crit does",
    operands: "decode|encode|show|info|x",
    words: ["decode", "encode", "show", "info", "x"],
    description: "Has commands and options of its own, those of crit(1): stasis image --help.",
    examples: ["stasis image show images/pstree.img", "stasis image x images fds"],
  },
  completion: {
    summary: "print what bash or zsh needs to complete our command lines",
    operands: "bash|zsh",
    words: ["bash", "zsh"],
    description: "To be read by the shell.",
    examples: ["source <(stasis completion bash)"],
  },
} as const satisfies Readonly<Record<string, CommandAbout>>;

export type CommandName = keyof typeof commands;
export const commandNames = Object.keys(commands) as CommandName[];
export const about = (name: CommandName): CommandAbout => commands[name];
