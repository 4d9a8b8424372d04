// A pair of connected sockets: one end in the program that is started, the other in it and in a child of its own session.
const pairs = {
  unix: "ours, theirs = socket.socketpair()",
  tcp: [
    'listening = socket.create_server(("127.0.0.1", 0))',
    "ours = socket.create_connection(listening.getsockname())",
    "theirs, _ = listening.accept()",
  ].join("\n"),
} as const;

/** Python: says "child PID" and "ready" by the child, which prints what it reads once the parent was sent SIGUSR2. */
export const sharedWithChild = (kind: keyof typeof pairs): string => `
import os, signal, socket, subprocess, sys
${pairs[kind]}
child = "import os; print('child', os.getpid()); print('ready', flush=True); os.write(1, os.read(%d, 100))" % theirs.fileno()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
subprocess.Popen([sys.executable, "-c", child], pass_fds=[theirs.fileno()], start_new_session=True)
signal.sigwait([signal.SIGUSR2])
ours.send(b"still connected\\n")
os.wait()
`;

export const childIn = (output: string): number => Number(/^child (\d+)$/m.exec(output)?.[1]);
