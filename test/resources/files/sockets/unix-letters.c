/* Who has sent what waits in unix sockets: names of senders that are there, closed, or not bound; credentials; many descriptors in a message. */
#include "program.h"
#include "unix-address.h"
#include <sys/ioctl.h>

enum { MANY = 200, LETTERS = 25 };
static int mailbox(const char *name) { return bound(SOCK_DGRAM, name); }
static void mail(int sk, const char *to, const char *text)
{
	socklen_t length;
	struct sockaddr_un address = named(to, &length);
	must(sendto(sk, text, strlen(text), 0, (struct sockaddr *)&address, length));
}
static void ask_for_credentials(int sk)
{
	int on = 1;
	must(setsockopt(sk, SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
}

static struct ucred from;
static struct sockaddr_un sender;
static socklen_t sender_length;
static char text[64];
static int fds[MANY + 1], fd_count;

/* The next message, with all that comes along. */
static void receive(int sk)
{
	union { char bytes[CMSG_SPACE(sizeof fds) + CMSG_SPACE(sizeof from)]; struct cmsghdr align; } control;
	struct iovec data = { text, sizeof text - 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
	message.msg_name = memset(&sender, 0, sizeof sender);
	message.msg_namelen = sizeof sender;
	memset(&from, 0, sizeof from);
	memset(text, 0, sizeof text);
	fd_count = 0;
	if (recvmsg(sk, &message, MSG_DONTWAIT) < 0) strcpy(text, strerror(errno));
	sender_length = message.msg_namelen;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
		if (head->cmsg_type == SCM_CREDENTIALS) memcpy(&from, CMSG_DATA(head), sizeof from);
		if (head->cmsg_type == SCM_RIGHTS) memcpy(fds, CMSG_DATA(head), (fd_count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int)) * sizeof(int));
	}
}
static int next_is(int sk, const char *name, const char *what)
{
	socklen_t length;
	struct sockaddr_un address = named(name, &length);
	receive(sk);
	int is_sender = name[0] == 0 ? sender_length <= sizeof(sa_family_t) : sender_length == length && memcmp(&sender, &address, length) == 0;
	return is_sender && strcmp(text, what) == 0;
}
static int is_from(pid_t pid, uid_t uid, gid_t gid) { return from.pid == pid && from.uid == uid && from.gid == gid; }

static void send_many(int sk)
{
	union { char bytes[CMSG_SPACE(sizeof(int) * MANY)]; struct cmsghdr align; } control = { 0 };
	struct iovec data = { "many", 4 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int file = must(open("sent", O_CREAT | O_RDWR, 0600));
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int) * MANY);
	for (int i = 0; i < MANY; i++) memcpy(CMSG_DATA(head) + i * sizeof file, &file, sizeof file);
	must(sendmsg(sk, &message, 0));
	close(file);
}

/* Of user 1000 and group 1001, who says something to both sockets. */
static pid_t start_other(int stream, int packets)
{
	pid_t pid = must(fork());
	if (pid == 0) {
		must(setresgid(1001, 1001, 1001));
		must(setresuid(1000, 1000, 1000));
		must(write(stream, "of another", 10));
		must(write(packets, "another", 7));
		for (;;) pause();
	}
	return pid;
}

int main(void)
{
	int stream[2], packets[2], many[2];
	char quiet_name[32], gone_name[32];
	sprintf(quiet_name, "@quiet-%d", getpid());
	sprintf(gone_name, "@gone-%d", getpid());
	int inbox = mailbox("inbox"), there = mailbox("there"), unnamed = must(socket(AF_UNIX, SOCK_DGRAM, 0)), quiet = mailbox(quiet_name);
	mail(there, "inbox", "of one that is there");
	mail(unnamed, "inbox", "of nobody");
	int gone = mailbox(gone_name), removed = mailbox("removed");
	mail(gone, "inbox", "of one that is closed");
	mail(removed, "inbox", "of one whose file is removed");
	close(gone);
	close(removed);
	must(unlink("removed"));
	ask_for_credentials(inbox);
	mail(there, "inbox", "with credentials");
	mail(there, quiet_name, "without");

	/* Once it is connected it takes letters of its peer alone, and of that any number. */
	int left = mailbox("left"), right = mailbox("right");
	mail(unnamed, "left", "before");
	must(connect_to(left, "right"));
	must(connect_to(right, "left"));
	for (int i = 0; i < LETTERS; i++) must(send(right, "letter", 6, 0));

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets));
	ask_for_credentials(stream[1]);
	ask_for_credentials(packets[1]);
	must(write(stream[0], "ours ", 5));
	must(write(packets[0], "ours", 4));
	pid_t other = start_other(stream[0], packets[0]);
	char bytes[32];
	while (must(recv(stream[1], bytes, sizeof bytes, MSG_PEEK)) < 5 || must(recv(packets[1], bytes, 32, MSG_PEEK)) < 4) usleep(1000);
	int waiting;
	do must(ioctl(stream[1], FIONREAD, &waiting)); while (waiting < 15);
	do must(ioctl(packets[1], FIONREAD, &waiting)); while (waiting < 11);

	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, many));
	send_many(many[0]);
	ready();
	wait_until_told();

	prove("there", next_is(inbox, "there", "of one that is there"));
	prove("nobody", next_is(inbox, "", "of nobody"));
	prove("closed", next_is(inbox, gone_name, "of one that is closed"));
	prove("removed", next_is(inbox, "removed", "of one whose file is removed") && access("removed", F_OK) == -1);
	prove("credentials", next_is(inbox, "there", "with credentials") && is_from(getpid(), 0, 0));
	prove("quiet", next_is(quiet, "there", "without") && from.pid == 0);
	int letters = next_is(left, "", "before");
	for (int i = 0; i < LETTERS; i++) letters += next_is(left, "right", "letter");
	prove_equal("letters", letters, LETTERS + 1);
	receive(stream[1]);
	int ours = strcmp(text, "ours ") == 0 && is_from(getpid(), 0, 0);
	receive(stream[1]);
	prove("stream", ours && strcmp(text, "of another") == 0 && is_from(other, 1000, 1001));
	receive(packets[1]);
	ours = strcmp(text, "ours") == 0 && is_from(getpid(), 0, 0);
	receive(packets[1]);
	prove("packets", ours && strcmp(text, "another") == 0 && is_from(other, 1000, 1001));
	receive(many[1]);
	struct stat first, last;
	prove("many", fd_count == MANY && fstat(fds[0], &first) == 0 && fstat(fds[MANY - 1], &last) == 0 && first.st_ino == last.st_ino);
	restored();
}
