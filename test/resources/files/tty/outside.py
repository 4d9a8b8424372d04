"""Has a shell on a terminal of ours dumped and restored. Arguments: how, the path of stasis, a directory for images."""
import os
import pty
import select
import signal
import socket
import subprocess
import sys

how, stasis, directory = sys.argv[1:]


def read_until(master, text):
    seen = b""
    while text not in seen:
        ready, _, _ = select.select([master], [], [], 20)
        assert ready, "it did not say %r, but %r" % (text, seen)
        seen += os.read(master, 4096)
    return seen


def run(*words, terminal=None, fds=()):
    done = subprocess.run([stasis, *words, "-D", directory], stdin=terminal or subprocess.DEVNULL, pass_fds=fds, capture_output=True, text=True)
    return done.returncode, done.stderr


def ask(master, word):
    """The shell remembers a variable, and Ctrl-C ends what is in the foreground, not the shell."""
    os.write(master, b"echo %s-$kept\n" % word)
    read_until(master, b"%s-memory" % word)
    os.write(master, b"sh -c 'echo runs-$0; exec sleep 1000' %s\n" % word)
    read_until(master, b"runs-" + word)
    os.write(master, b"\x03")
    os.write(master, b"echo still-%s$?\n" % word)
    read_until(master, b"still-%s130" % word)


master, slave = pty.openpty()
shell = subprocess.Popen(["setsid", "--ctty", "/bin/sh", "-i"], stdin=slave, stdout=slave, stderr=slave, env={"PS1": "", "PATH": os.environ["PATH"]}, cwd="/")
os.write(master, b"kept=memory; PS1=; echo is-$kept\n")
read_until(master, b"is-memory")
stat = os.fstat(slave)
key = "tty[%x:%x]" % (stat.st_rdev, stat.st_dev)
tree = str(shell.pid)

if how == "refused":
    code, said = run("dump", "-t", tree)
    assert code != 0 and "the master of this terminal is outside of the tree; pass --shell-job" in said, said
    ask(master, b"on")
    shell.kill()
    sys.exit()

options = {"external": ["--external", key], "shell-job": ["--shell-job"], "orphan": ["--orphan-pts-master"]}[how]
code, said = run("dump", "-t", tree, *options)
assert code == 0, said
shell.wait()
os.close(master)
os.close(slave)

if how == "orphan":
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    worker = subprocess.Popen([stasis, "swrk", str(there.fileno())], pass_fds=[there.fileno()])
    there.close()
    images = os.open(directory, os.O_RDONLY)
    # criu_req { type: RESTORE (2), opts { images_dir_fd, notify_scripts (22), orphan_pts_master (28), rst_sibling (21) } }
    sys.path.insert(0, "/usr/lib/python3/dist-packages")
    from pycriu import rpc_pb2 as rpc

    request = rpc.criu_req(type=rpc.RESTORE)
    request.opts.images_dir_fd = os.open("/proc/%d/fd/%d" % (os.getpid(), images), os.O_RDONLY)
    os.set_inheritable(request.opts.images_dir_fd, True)
    request.opts.notify_scripts = True
    request.opts.orphan_pts_master = True
    here.send(request.SerializeToString())
    master = None
    while True:
        data, fds, _, _ = socket.recv_fds(here, 65536, 1)
        response = rpc.criu_resp.FromString(data)
        if response.type != rpc.NOTIFY:
            break
        if response.notify.script == "orphan-pts-master":
            (master,) = fds
        here.send(rpc.criu_req(type=rpc.NOTIFY, notify_success=True).SerializeToString())
    assert response.success, response
    here.close()
    worker.wait()
else:
    master, slave = pty.openpty()
    if how == "external":
        code, said = run("restore", "-d")
        assert code != 0 and "it was left out of the dump; pass --inherit-fd fd[N]:%s" % key in said, said
        code, said = run("restore", "-d", "--inherit-fd", "fd[0]:%s" % key)
        assert code != 0 and "descriptor 0 of stasis is no terminal; pass --inherit-fd fd[N]:%s" % key in said, said
        os.set_inheritable(slave, True)
        code, said = run("restore", "-d", "--inherit-fd", "fd[%d]:%s" % (slave, key), fds=[slave])
    else:
        code, said = run("restore", "-d", "--shell-job", terminal=slave)
    assert code == 0, said
    os.close(slave)

ask(master, b"again")
os.kill(int(tree), signal.SIGKILL)
