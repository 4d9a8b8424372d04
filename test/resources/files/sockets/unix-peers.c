/* Whom unix sockets name as the other side (SO_PEERCRED): this process, a child of another user, one that is gone. */
#include "program.h"
#include "unix-address.h"
#include <sys/syscall.h>

struct channel { int made[2], gone_made[2], client, abstract; pid_t pid, gone; };
static struct channel *shared;

static int names(int sk, pid_t pid, uid_t uid, gid_t gid)
{
	struct ucred peer;
	socklen_t length = sizeof peer;
	must(getsockopt(sk, SOL_SOCKET, SO_PEERCRED, &peer, &length));
	return peer.pid == pid && peer.uid == uid && peer.gid == gid;
}
static void become(uid_t uid, gid_t gid)
{
	must(setresgid(gid, gid, gid));
	must(setresuid(uid, uid, uid));
}

int main(void)
{
	char abstract[32];
	int ours[2];
	struct channel one = { 0 };
	sprintf(abstract, "@peers-%d", getpid());
	shared = must(mmap(NULL, sizeof one, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	must(chmod(".", 0755));
	int listener = listening(SOCK_STREAM, "open"), hidden = listening(SOCK_SEQPACKET, abstract);
	must(chmod("open", 0666));
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, ours));

	/* Tables of descriptors are shared: what the children make is ours, too. */
	pid_t child = must(syscall(SYS_clone, 0x400 | SIGCHLD, 0, 0, 0, 0));
	if (child == 0) {
		become(1000, 1001);
		must(socketpair(AF_UNIX, SOCK_DGRAM, 0, one.made));
		one.client = connected(SOCK_STREAM, "open");
		one.abstract = connected(SOCK_SEQPACKET, abstract);
		one.pid = getpid();
		*shared = one;
		for (;;) pause();
	}
	while (__atomic_load_n(&shared->pid, __ATOMIC_SEQ_CST) == 0) usleep(1000);
	int accepted = must(accept(listener, NULL, NULL)), abstract_accepted = must(accept(hidden, NULL, NULL));
	close(hidden);
	pid_t gone = must(syscall(SYS_clone, 0x400 | SIGCHLD, 0, 0, 0, 0));
	if (gone == 0) {
		become(1002, 1003);
		must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, shared->gone_made));
		_exit(0);
	}
	must(waitpid(gone, NULL, 0));
	ready();
	wait_until_told();

	prove("ours", names(ours[0], getpid(), 0, 0) && names(ours[1], getpid(), 0, 0));
	prove("child", names(shared->made[0], child, 1000, 1001) && names(shared->made[1], child, 1000, 1001));
	prove("gone", names(shared->gone_made[0], gone, 1002, 1003) && names(shared->gone_made[1], gone, 1002, 1003));
	prove("accepted", names(accepted, child, 1000, 1001) && names(shared->client, getpid(), 0, 0));
	prove("closed", names(abstract_accepted, child, 1000, 1001) && names(shared->abstract, getpid(), 0, 0));
	int next = connected(SOCK_STREAM, "open");
	prove("listener", names(listener, getpid(), 0, 0) && names(next, getpid(), 0, 0));
	must(write(shared->client, "x", 1));
	char byte;
	prove("works", read(accepted, &byte, 1) == 1 && byte == 'x');
	must(kill(child, SIGKILL));
	restored();
}
