/* Unix sockets of every type, bound and not, with what waits in their queues. */
#include "program.h"
#include "unix-address.h"

static int next_is(int sk, const char *text)
{
	char bytes[256] = "";
	ssize_t count = recv(sk, bytes, sizeof bytes - 1, MSG_DONTWAIT);
	return count == (ssize_t)strlen(text) && strcmp(bytes, text) == 0;
}
static int name_is(int sk, const char *name)
{
	struct sockaddr_un address = { 0 };
	socklen_t length = sizeof address;
	must(getsockname(sk, (struct sockaddr *)&address, &length));
	if (name[0] == '@') return address.sun_path[0] == 0 && strncmp(address.sun_path + 1, name + 1, strlen(name) - 1) == 0;
	return strcmp(address.sun_path, name) == 0;
}
static int peer_is(int sk, const char *name)
{
	struct sockaddr_un address = { 0 };
	socklen_t length = sizeof address;
	must(getpeername(sk, (struct sockaddr *)&address, &length));
	return strcmp(address.sun_path, name) == 0;
}
static void say_to(int sk, const char *text) { must(send(sk, text, strlen(text), 0)); }
static int talk(int one, int other)
{
	say_to(one, "there");
	int there = next_is(other, "there");
	say_to(other, "and back");
	return there && next_is(one, "and back");
}
static int option(int sk, int name)
{
	int value = 0;
	socklen_t length = sizeof value;
	must(getsockopt(sk, SOL_SOCKET, name, &value, &length));
	return value;
}
static void set(int sk, int name, int value) { must(setsockopt(sk, SOL_SOCKET, name, &value, sizeof value)); }

static void send_fd(int sk, int fd, const char *text)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct iovec data = { (void *)text, strlen(text) };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof fd);
	must(sendmsg(sk, &message, 0));
}
static int receive_fd(int sk)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control;
	char text[64];
	struct iovec data = { text, sizeof text };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
	int fd = -1;
	must(recvmsg(sk, &message, MSG_DONTWAIT));
	if (CMSG_FIRSTHDR(&message) != NULL) memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	return fd;
}

int main(void)
{
	int pair[2], packets[2], datagrams[2], half[2], orphan[2], rights[2], file;
	char directory[256];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	say_to(pair[0], "first ");
	say_to(pair[0], "second");
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets));
	say_to(packets[0], "one");
	say_to(packets[0], "two");
	say_to(packets[1], "back");
	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams));
	say_to(datagrams[0], "alpha");
	say_to(datagrams[0], "beta");

	int listener = listening(SOCK_STREAM, "stream");
	must(chmod("stream", 0640));
	int client = connected(SOCK_STREAM, "stream"), accepted = must(accept(listener, NULL, NULL));
	say_to(client, "from the client");
	int waiting = connected(SOCK_STREAM, "stream");

	int gone_listener = listening(SOCK_STREAM, "gone");
	int gone_client = connected(SOCK_STREAM, "gone"), gone_accepted = must(accept(gone_listener, NULL, NULL));
	must(unlink("gone"));
	must(mkdir("gone", 0700)); /* somebody else has its name now */
	must(getcwd(directory, sizeof directory) == NULL ? -1 : 0);

	int closed_listener = listening(SOCK_SEQPACKET, "@abstract");
	int abstract_client = connected(SOCK_SEQPACKET, "@abstract"), abstract_accepted = must(accept(closed_listener, NULL, NULL));
	close(closed_listener);

	int mailbox = bound(SOCK_DGRAM, "mailbox"), sender = bound(SOCK_DGRAM, "sender");
	must(connect_to(sender, "mailbox"));
	say_to(sender, "letter");

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, half));
	say_to(half[0], "last words");
	must(shutdown(half[0], SHUT_WR));
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, orphan));
	say_to(orphan[0], "testament");
	close(orphan[0]);

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, rights));
	file = must(open("sent", O_CREAT | O_RDWR, 0600));
	must(write(file, "content", 7));
	send_fd(rights[0], file, "a file");
	send_fd(rights[0], pair[1], "a socket");
	close(file);

	int options = must(socket(AF_UNIX, SOCK_STREAM, 0));
	struct timeval timeout = { 3, 500000 };
	set(options, SO_SNDBUF, 30000);
	set(options, SO_RCVBUF, 40000);
	set(options, SO_PASSCRED, 1);
	set(options, SO_PRIORITY, 5);
	set(options, SO_PEEK_OFF, 3);
	set(pair[1], SO_PEEK_OFF, 6);
	must(setsockopt(options, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout));
	int sndbuf = option(options, SO_SNDBUF), rcvbuf = option(options, SO_RCVBUF);

	ready();
	wait_until_told();

	prove("rights", lseek(file = receive_fd(rights[1]), 0, SEEK_CUR) == 7);
	int sent = receive_fd(rights[1]);
	prove("peeked", recv(pair[1], directory, 6, MSG_PEEK) == 6 && memcmp(directory, "second", 6) == 0);
	prove("nested", sent >= 0 && next_is(sent, "first second"));
	prove("stream", talk(pair[0], pair[1]));
	prove("packets", next_is(packets[1], "one") && next_is(packets[1], "two") && next_is(packets[0], "back") && talk(packets[0], packets[1]));
	prove("datagrams", next_is(datagrams[1], "alpha") && next_is(datagrams[1], "beta") && talk(datagrams[1], datagrams[0]));
	prove("accepted", next_is(accepted, "from the client") && talk(client, accepted) && name_is(accepted, "stream") && peer_is(client, "stream"));
	int late = accept(listener, NULL, NULL);
	prove("waiting", late >= 0 && talk(late, waiting));
	struct stat stat;
	must(lstat("stream", &stat));
	int another = connected(SOCK_STREAM, "stream");
	prove("file", S_ISSOCK(stat.st_mode) && (stat.st_mode & 0777) == 0640 && talk(another, accept(listener, NULL, NULL)));
	prove("deleted", talk(gone_client, gone_accepted) && name_is(gone_listener, "gone") && must(lstat("gone", &stat)) == 0 && S_ISDIR(stat.st_mode));
	prove("abstract", talk(abstract_client, abstract_accepted) && name_is(abstract_accepted, "@abstract") && connect_to(socket(AF_UNIX, SOCK_SEQPACKET, 0), "@abstract") == -1 && errno == ECONNREFUSED);
	prove("mailbox", next_is(mailbox, "letter") && (say_to(sender, "another"), next_is(mailbox, "another")) && peer_is(sender, "mailbox"));
	prove("half", next_is(half[1], "last words") && recv(half[1], directory, 1, 0) == 0 && (say_to(half[1], "heard"), next_is(half[0], "heard")) && send(half[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	prove("orphan", next_is(orphan[1], "testament") && recv(orphan[1], directory, 1, 0) == 0);
	struct timeval now = { 0 };
	socklen_t length = sizeof now;
	must(getsockopt(options, SOL_SOCKET, SO_RCVTIMEO, &now, &length));
	prove("options", option(options, SO_SNDBUF) == sndbuf && option(options, SO_RCVBUF) == rcvbuf && option(options, SO_PASSCRED) == 1 && option(options, SO_PRIORITY) == 5 && option(options, SO_PEEK_OFF) == 3 && now.tv_sec == 3 && now.tv_usec == 500000);
	restored();
}
