/* Keeps a context busy: whatever it is stopped at, large reads past the page cache are under way. Each has to finish, once, with its data. */
#include "program.h"
#include <linux/aio_abi.h>
#include <sys/syscall.h>

enum { AT_ONCE = 8, BYTES = 1 << 20, FILE_BYTES = 16 << 20 };
static aio_context_t context;
static struct iocb requests[AT_ONCE];
static unsigned char *buffers[AT_ONCE];
static int file;

static void submit(int which, long turn)
{
	struct iocb *list[] = { &requests[which] };
	memset(buffers[which], 0, 4096);
	requests[which] = (struct iocb){ .aio_data = which, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = file, .aio_buf = (uintptr_t)buffers[which], .aio_nbytes = BYTES, .aio_offset = turn % (FILE_BYTES / BYTES) * BYTES };
	expect(syscall(SYS_io_submit, context, 1, list) == 1);
}

int main(void)
{
	int under_way[AT_ONCE] = { 0 };
	long turn = 0, after = 0;
	file = must(open("data", O_RDWR | O_CREAT, 0600));
	unsigned char *data = must(mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	for (int i = 0; i < FILE_BYTES; i += 4096) memset(data + i, 1 + i / BYTES, 4096);
	expect(write(file, data, FILE_BYTES) == FILE_BYTES);
	must(fsync(file));
	must(close(file));
	file = must(open("data", O_RDONLY | O_DIRECT));
	must(syscall(SYS_io_setup, AT_ONCE, &context));
	for (int which = 0; which < AT_ONCE; which++) {
		buffers[which] = must(mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		submit(which, turn++);
		under_way[which] = 1;
	}
	ready();
	/* Until it is told, and a while after. */
	while (!told_ || after++ < 100) {
		struct io_event events[AT_ONCE];
		int count = syscall(SYS_io_getevents, context, 1, AT_ONCE, events, NULL);
		if (count < 0 && errno == EINTR) continue;
		for (int i = 0; i < count; i++) {
			int which = events[i].data;
			expect(under_way[which] && events[i].res == BYTES);
			expect(buffers[which][0] == 1 + requests[which].aio_offset / BYTES && buffers[which][BYTES - 1] == buffers[which][0]);
			submit(which, turn++);
		}
	}
	/* None was lost. */
	for (int left = AT_ONCE; left > 0;) {
		struct io_event events[AT_ONCE];
		struct timespec limit = { 10, 0 };
		int count = syscall(SYS_io_getevents, context, 1, AT_ONCE, events, &limit);
		expect(count > 0);
		for (int i = 0; i < count; i++) under_way[events[i].data]--;
		left -= count;
	}
	for (int which = 0; which < AT_ONCE; which++) expect(under_way[which] == 0);
	say("all: proved");
	restored();
}
