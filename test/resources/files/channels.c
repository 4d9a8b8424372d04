/* Pipes and FIFOs with what is in them, counters, timers, signals by descriptor, epoll sets, and who is told of input. */
#include "program.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

static int next_is(int file, const char *wanted)
{
	char text[64] = "";
	return read(file, text, sizeof text - 1) == (ssize_t)strlen(wanted) && strcmp(text, wanted) == 0;
}
static int is_ready(int file, short events)
{
	struct pollfd one = { file, events, 0 };
	return poll(&one, 1, 0) == 1 ? one.revents : 0;
}
static uint64_t counter(int file)
{
	uint64_t value = 0;
	return read(file, &value, 8) == 8 ? value : 0;
}
static int make_timer(clockid_t clock, int flags, int how, long first_ms, long every_ms)
{
	struct itimerspec spec = { { every_ms / 1000, every_ms % 1000 * 1000000 }, { first_ms / 1000, first_ms % 1000 * 1000000 } };
	int timer = must(timerfd_create(clock, flags));
	if (how & TFD_TIMER_ABSTIME) {
		struct timespec now;
		must(clock_gettime(clock, &now));
		spec.it_value.tv_sec += now.tv_sec;
	}
	must(timerfd_settime(timer, how, &spec, NULL));
	return timer;
}
static int is_left(int timer, long seconds, long every)
{
	struct itimerspec spec;
	must(timerfd_gettime(timer, &spec));
	return spec.it_value.tv_sec <= seconds && spec.it_value.tv_sec > seconds - 60 && spec.it_interval.tv_sec == every;
}
static int add(int set, int file, uint32_t events, uint64_t data)
{
	struct epoll_event event = { events, { .u64 = data } };
	return epoll_ctl(set, EPOLL_CTL_ADD, file, &event);
}
static int told_of(int set, uint64_t data)
{
	struct epoll_event events[16];
	int count = epoll_wait(set, events, 16, 0);
	for (int i = 0; i < count; i++)
		if (events[i].data.u64 == data) return events[i].events;
	return 0;
}

static volatile int input_signal, input_file;
static void on_input(int signal, siginfo_t *info, void *context)
{
	(void)context;
	input_signal = signal;
	input_file = info->si_fd;
}

int main(void)
{
	int full[2], large[2], no_reader[2], no_writer[2], packets[2], owned[2];
	char bytes[65536];
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	must(pipe(full));
	must(write(full[1], "in the pipe", 11));
	must(pipe2(large, O_NONBLOCK));
	int capacity = must(fcntl(large[0], F_SETPIPE_SZ, 1 << 18));
	memset(bytes, 'x', sizeof bytes);
	int filled = 0;
	for (ssize_t count; (count = write(large[1], bytes, sizeof bytes)) > 0;) filled += count;
	must(pipe(no_reader));
	close(no_reader[0]);
	must(pipe(no_writer));
	must(write(no_writer[1], "the last words", 14));
	close(no_writer[1]);
	must(pipe2(packets, O_DIRECT | O_NONBLOCK));
	int kept[2], left[2], semaphore = must(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK));
	must(pipe2(kept, O_DIRECT)), must(pipe2(left, O_DIRECT));
	must(write(kept[1], "one", 3)), must(write(kept[1], "three", 5)), must(write(kept[1], "2", 1));
	must(write(left[1], "was", 3)), must(write(left[1], "packets", 7));
	must(fcntl(left[1], F_SETFL, O_WRONLY));
	must(pipe(owned));

	must(mkfifo("fifo", 0600));
	int fifo = must(open("fifo", O_RDWR)), fifo_read = must(open("fifo", O_RDONLY | O_NONBLOCK)), fifo_write = must(open("fifo", O_WRONLY));
	must(write(fifo_write, "in the fifo", 11));
	must(mkfifo("lost", 0600));
	int lost = must(open("lost", O_RDWR));
	must(write(lost, "no name", 7));
	must(unlink("lost"));

	int events = must(eventfd(5, EFD_NONBLOCK)), zero = must(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), most = must(eventfd(0, EFD_NONBLOCK));
	uint64_t nearly = 0xfffffffffffffffe;
	must(write(most, &nearly, 8));

	int armed = make_timer(CLOCK_MONOTONIC, TFD_NONBLOCK, 0, 4000000, 9000);
	int absolute = make_timer(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, 5000000, 0);
	int disarmed = make_timer(CLOCK_BOOTTIME, TFD_NONBLOCK, 0, 0, 0);
	int expired = make_timer(CLOCK_MONOTONIC, TFD_NONBLOCK, 0, 1, 0);
	int ticking = make_timer(CLOCK_MONOTONIC, 0, 0, 1, 1);
	while (!is_ready(expired, POLLIN)) usleep(1000);

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int signals = must(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
	must(sigqueue(getpid(), SIGRTMIN + 5, (union sigval){ .sival_int = 66 }));

	int epoll = must(epoll_create1(EPOLL_CLOEXEC)), outer = must(epoll_create1(0)), empty = must(epoll_create1(0));
	must(add(epoll, full[0], EPOLLIN, 0x1111222233334444));
	must(add(epoll, events, EPOLLIN | EPOLLET, 2));
	must(add(epoll, no_writer[0], EPOLLIN | EPOLLRDHUP, 3));
	must(add(epoll, owned[1], EPOLLOUT | EPOLLONESHOT, 4));
	must(add(epoll, expired, EPOLLIN, 5));
	must(add(outer, epoll, EPOLLIN, 6));
	while (told_of(epoll, 4) == 0) usleep(1000); /* the one shot is used up, the edge seen */

	struct sigaction action = { .sa_sigaction = on_input, .sa_flags = SA_SIGINFO };
	must(sigaction(SIGRTMIN + 7, &action, NULL));
	struct f_owner_ex owner = { F_OWNER_TID, gettid() }, now;
	must(fcntl(owned[0], F_SETOWN_EX, &owner));
	must(fcntl(owned[0], F_SETSIG, SIGRTMIN + 7));
	must(fcntl(owned[0], F_SETFL, O_ASYNC));
	ready();
	wait_until_told();

	prove("used", told_of(epoll, 4) == 0);
	struct epoll_event again = { EPOLLOUT | EPOLLONESHOT, { .u64 = 44 } };
	prove("rearmed", epoll_ctl(epoll, EPOLL_CTL_MOD, owned[1], &again) == 0 && told_of(epoll, 44) == EPOLLOUT);
	prove("watches", told_of(epoll, 0x1111222233334444) == EPOLLIN && (told_of(epoll, 3) & EPOLLHUP) && told_of(epoll, 5) == EPOLLIN);
	prove("nested", told_of(outer, 6) == EPOLLIN && told_of(empty, 0) == 0);
	prove("more", add(epoll, events, EPOLLIN, 0) == -1 && errno == EEXIST && epoll_ctl(epoll, EPOLL_CTL_DEL, events, NULL) == 0 && add(empty, signals, EPOLLIN, 9) == 0 && told_of(empty, 9) == EPOLLIN);

	prove("pipe", next_is(full[0], "in the pipe"));
	prove("capacity", fcntl(large[1], F_GETPIPE_SZ) == capacity && write(large[1], "x", 1) == -1 && errno == EAGAIN);
	int length = 0;
	ioctl(large[0], FIONREAD, &length);
	prove("large", length == filled && read(large[0], bytes, sizeof bytes) == sizeof bytes && bytes[777] == 'x');
	prove("broken", write(no_reader[1], "x", 1) == -1 && errno == EPIPE);
	prove("end", next_is(no_writer[0], "the last words") && next_is(no_writer[0], ""));
	prove("packets", write(packets[1], "one", 3) == 3 && write(packets[1], "two", 3) == 3 && next_is(packets[0], "one") && next_is(packets[0], "two"));
	prove("boundaries", next_is(kept[0], "one") && next_is(kept[0], "three") && next_is(kept[0], "2") && next_is(left[0], "was") && next_is(left[0], "packets")
		&& (fcntl(kept[1], F_GETFL) & O_DIRECT) && !(fcntl(left[1], F_GETFL) & O_DIRECT));
	uint64_t one = 0;
	prove("semaphore", read(semaphore, &one, 8) == 8 && one == 1 && read(semaphore, &one, 8) == 8 && one == 1 && read(semaphore, &one, 8) == 8 && read(semaphore, &one, 8) == -1);
	prove("fifo", next_is(fifo_read, "in the fifo") && write(fifo, "more", 4) == 4 && next_is(fifo_read, "more") && (fcntl(fifo_read, F_GETFL) & O_NONBLOCK));
	int other = open("fifo", O_RDONLY | O_NONBLOCK);
	prove("same", write(fifo_write, "by name", 7) == 7 && next_is(other, "by name"));
	prove("lost", next_is(lost, "no name") && access("lost", F_OK) == -1);

	prove("eventfd", counter(events) == 5 && (fcntl(events, F_GETFL) & O_NONBLOCK) && counter(zero) == 0 && (fcntl(zero, F_GETFD) & FD_CLOEXEC));
	prove("most", is_ready(most, POLLIN | POLLOUT) == POLLIN && counter(most) == nearly);
	prove("armed", is_left(armed, 4000, 9) && counter(armed) == 0);
	prove("absolute", is_left(absolute, 5000, 0) && (fcntl(absolute, F_GETFD) & FD_CLOEXEC));
	prove("disarmed", is_left(disarmed, 0, 0) && counter(disarmed) == 0);
	prove("expired", counter(expired) == 1 && is_left(expired, 0, 0));
	prove("ticking", counter(ticking) > 1 && counter(ticking) > 0);
	struct signalfd_siginfo info;
	prove("signalfd", read(signals, &info, sizeof info) == sizeof info && info.ssi_signo == (uint32_t)SIGRTMIN + 5 && info.ssi_int == 66);
	must(kill(getpid(), SIGHUP));
	prove("masks", read(signals, &info, sizeof info) == sizeof info && info.ssi_signo == SIGHUP && read(signals, &info, sizeof info) == -1 && errno == EAGAIN);

	prove("owner", fcntl(owned[0], F_GETOWN_EX, &now) == 0 && now.type == F_OWNER_TID && now.pid == gettid() && fcntl(owned[0], F_GETSIG) == SIGRTMIN + 7 && (fcntl(owned[0], F_GETFL) & O_ASYNC));
	must(write(owned[1], "x", 1));
	for (int i = 0; i < 5000 && input_signal == 0; i++) usleep(1000);
	prove("told", input_signal == SIGRTMIN + 7 && input_file == owned[0]);
	restored();
}
