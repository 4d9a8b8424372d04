/* Contexts of asynchronous I/O: fresh, with events unread, with a ring that has gone round, with a request under way. */
#include "program.h"
#include <linux/aio_abi.h>
#include <sys/syscall.h>

static aio_context_t set_up(unsigned requests)
{
	aio_context_t context = 0;
	must(syscall(SYS_io_setup, requests, &context));
	return context;
}
/* One read of a byte from /dev/zero, told by its number. */
static void submit(aio_context_t context, int fd, uint64_t number)
{
	static char byte;
	struct iocb request = { .aio_data = number, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd, .aio_buf = (uintptr_t)&byte, .aio_nbytes = 1 };
	struct iocb *list[] = { &request };
	if (syscall(SYS_io_submit, context, 1, list) != 1) fail("io_submit: %s", strerror(errno));
}
static int finished(aio_context_t context, struct io_event *events, int most)
{
	struct timespec now = { 0, 0 };
	return must(syscall(SYS_io_getevents, context, 0, most, events, &now));
}
/* How many can be under way or unread: each is submitted and left. */
static int room(aio_context_t context, int fd)
{
	int count = 0;
	static char byte;
	struct iocb request = { .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd, .aio_buf = (uintptr_t)&byte, .aio_nbytes = 1 };
	struct iocb *list[] = { &request };
	while (syscall(SYS_io_submit, context, 1, list) == 1) count++;
	return count;
}

int main(void)
{
	struct io_event events[600];
	int zero = must(open("/dev/zero", O_RDONLY));
	aio_context_t fresh = set_up(1), unread = set_up(100), round = set_up(10), full = set_up(3);
	unsigned nr = ((unsigned *)round)[1];

	for (int i = 0; i < 7; i++) submit(unread, zero, 1000 + i);
	finished(unread, events, 2);
	for (unsigned i = 0; i < 3 * nr + nr / 2; i++) {
		submit(round, zero, i);
		if (i % 3 == 0) finished(round, events, 3);
	}
	int left = finished(round, events, 600);
	for (unsigned i = 0; i < nr - 10; i++) submit(round, zero, 5000 + i);
	int full_before = room(full, zero);
	ready();
	wait_until_told();

	prove("fresh", finished(fresh, events, 10) == 0);
	submit(fresh, zero, 77);
	prove("works", finished(fresh, events, 10) == 1 && events[0].data == 77 && events[0].res == 1);
	int count = finished(unread, events, 100), right = count == 5;
	for (int i = 0; i < count; i++) right &= events[i].data == 1002ul + i && events[i].res == 1;
	prove("unread", right);
	count = finished(round, events, 600), right = left >= 0 && count == (int)nr - 10;
	for (int i = 0; i < count; i++) right &= events[i].data == 5000ul + i;
	prove("round", right);
	prove("full", room(full, zero) == 0 && finished(full, events, 600) == full_before);
	prove_equal("room", room(full, zero), full_before);
	restored();
}
