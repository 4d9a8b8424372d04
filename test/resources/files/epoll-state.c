/* epoll(7): watches on descriptors that were closed or replaced after they were added, and sets in flight in unix sockets. */
#include "program.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static void add(int set, int file, uint64_t data)
{
	struct epoll_event event = { EPOLLIN, { .u64 = data } };
	must(epoll_ctl(set, EPOLL_CTL_ADD, file, &event));
}
/* The data of all that is ready, or'ed. */
static uint64_t told(int set)
{
	struct epoll_event events[16];
	uint64_t all = 0;
	int count = epoll_wait(set, events, 16, 0);
	for (int i = 0; i < count; i++) all |= events[i].data.u64;
	return all;
}
static int moved_to(int file, int number)
{
	must(dup2(file, number));
	return number;
}
static void put(int file) { uint64_t one = 1; must(write(file, &one, 8)); }
static void take(int file) { uint64_t value; must(read(file, &value, 8)); }
static int send_files(int socket, int first, int second)
{
	char byte = 'x', control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	int files[2] = { first, second }, count = second == -1 ? 1 : 2;
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(head), files, count * sizeof(int));
	return sendmsg(socket, &message, 0);
}
static void receive_files(int socket, int *files, int count)
{
	char byte, control[CMSG_SPACE(2 * sizeof(int))];
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	must(recvmsg(socket, &message, 0));
	memcpy(files, CMSG_DATA(CMSG_FIRSTHDR(&message)), count * sizeof(int));
}

int main(void)
{
	int file[9], set = must(epoll_create1(0)), inner = must(epoll_create1(EPOLL_CLOEXEC)), go[2], back[2], sockets[2];
	for (int i = 0; i < 9; i++) file[i] = must(eventfd(0, EFD_NONBLOCK));
	must(pipe(go)), must(pipe(back)), must(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets));

	add(set, moved_to(file[0], 700), 1);
	must(close(700));
	add(set, moved_to(file[1], 701), 2);
	moved_to(go[0], 701);
	for (int i = 2; i < 5; i++) add(set, moved_to(file[i], 702), 2 << (i - 1));
	int twice = must(epoll_create1(0));
	add(twice, file[5], 1);
	add(twice, moved_to(file[5], 703), 2);
	must(close(703));
	add(inner, file[6], 1);
	add(set, moved_to(inner, 704), 0x100);
	must(close(704));

	add(set, file[7], 0x200);
	pid_t child = must(fork());
	if (child == 0) {
		char byte;
		moved_to(file[8], file[0]); /* which the parent watches */
		must(read(go[0], &byte, 1));
		put(file[7]), put(file[8]);
		must(write(back[1], "x", 1));
		must(read(go[0], &byte, 1));
		_exit(0);
	}
	must(close(file[7]));

	int sent = must(epoll_create1(0)), second = must(epoll_create1(0)), lost = must(eventfd(0, 0));
	add(sent, sockets[1], 1);
	must(send_files(sockets[0], sent, -1));
	must(close(sent));
	add(second, lost, 1);
	must(send_files(sockets[0], second, lost));
	must(close(second)), must(close(lost));
	ready();
	wait_until_told();

	int received[2];
	char byte;
	put(file[0]);
	prove("moved", told(set) == 1);
	take(file[0]), put(file[1]);
	prove("replaced", told(set) == 2);
	take(file[1]), put(file[2]), put(file[3]), put(file[4]);
	prove("thrice", told(set) == (4 | 8 | 16));
	take(file[2]), take(file[3]), take(file[4]), put(file[5]);
	prove("twice", told(twice) == 3);
	put(file[6]);
	prove("nested", told(set) == 0x100 && told(inner) == 1);
	take(file[6]);
	must(write(go[1], "x", 1)), must(read(back[0], &byte, 1));
	uint64_t both = told(set);
	prove_equal("elsewhere", both & 0x200, 0x200);
	prove_equal("shared", both & ~0x200, 0);
	receive_files(sockets[1], received, 1);
	prove("flight", told(received[0]) == 1);
	receive_files(sockets[1], received, 2);
	int was_quiet = told(received[0]) == 0;
	put(received[1]);
	prove("both", was_quiet && told(received[0]) == 1);
	must(write(go[1], "x", 1));
	must(waitpid(child, NULL, 0));
	restored();
}
