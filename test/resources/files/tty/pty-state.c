/* Ptys in many states: what is set on them, what waits in them, whose controlling terminal they are. pty(7), ioctl_tty(2) */
#include "program.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

struct pty {
	int master, slave;
	char name[64];
};

static struct pty open_pty(void)
{
	struct pty pty;
	pty.master = must(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	must(grantpt(pty.master));
	must(unlockpt(pty.master));
	must(ptsname_r(pty.master, pty.name, sizeof pty.name));
	pty.slave = must(open(pty.name, O_RDWR | O_NOCTTY));
	return pty;
}

/* A new pty gets the lowest free number. While this program is only in images, whoever opens one must not get one of ours. */
static void skip_low_numbers(int *held, int count)
{
	for (int i = 0; i < count; i++) held[i] = must(open("/dev/ptmx", O_RDWR | O_NOCTTY));
}

static int number(int fd, unsigned long request)
{
	int value = -1;
	return ioctl(fd, request, &value) == -1 ? -errno : value;
}

static void set(int fd, unsigned long request, int value) { must(ioctl(fd, request, &value)); }

static int hup(int fd)
{
	struct pollfd asked = {.fd = fd};
	must(poll(&asked, 1, 0));
	return (asked.revents & POLLHUP) != 0;
}

/* What one read gives, or the errno; never waits. */
static const char *take(int fd)
{
	static char text[512];
	int flags = must(fcntl(fd, F_GETFL));
	must(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
	ssize_t length = read(fd, text, sizeof text - 1);
	int error = errno;
	must(fcntl(fd, F_SETFL, flags));
	if (length == -1) return strerror(error);
	text[length] = '\0';
	return text;
}
#define prove_text(name, found, wanted) ({ const char *found_ = (found); strcmp(found_, wanted) == 0 ? say("%s: proved", name) : say("%s: it is \"%s\"", name, found_); })

static void put(int fd, const char *text) { expect(write(fd, text, strlen(text)) == (ssize_t)strlen(text)); }

int main(void)
{
	int held[1000], count = 8 + getpid() % 61 * 8;
	skip_low_numbers(held, count);
	struct pty set_up = open_pty(), busy = open_pty(), raw = open_pty(), closed = open_pty(), dead = open_pty(), own = open_pty();
	struct termios termios, found;
	struct winsize size = {.ws_row = 33, .ws_col = 77, .ws_xpixel = 5, .ws_ypixel = 6}, found_size;
	signal(SIGHUP, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);

	must(tcgetattr(set_up.slave, &termios));
	termios.c_lflag &= ~ECHO;
	termios.c_cc[VINTR] = 'x';
	cfsetspeed(&termios, B9600);
	must(tcsetattr(set_up.slave, TCSANOW, &termios));
	must(ioctl(set_up.slave, TIOCSWINSZ, &size));
	set(set_up.master, TIOCPKT, 1);
	must(ioctl(set_up.slave, TIOCEXCL));
	set(set_up.master, TIOCSPTLCK, 1);
	must(fchown(set_up.slave, 123, 456));
	must(fchmod(set_up.slave, 0642));
	int second = must(dup(set_up.slave));

	must(tcgetattr(busy.slave, &termios));
	termios.c_lflag &= ~ECHO;
	must(tcsetattr(busy.slave, TCSANOW, &termios));
	put(busy.master, "one\n\ntwo\004\004thr");
	put(busy.slave, "out\n");
	must(tcdrain(busy.slave));

	must(tcgetattr(raw.slave, &termios));
	cfmakeraw(&termios);
	termios.c_cc[VMIN] = 9;
	must(tcsetattr(raw.slave, TCSANOW, &termios));
	put(raw.master, "\003\004ab\n");

	put(closed.slave, "last words");
	close(closed.slave);
	close(dead.master);

	must(ioctl(own.slave, TIOCSCTTY, 0));
	int current = must(open("/dev/tty", O_RDWR));
	pid_t child = must(fork());
	if (child == 0) {
		setpgid(0, 0);
		for (;;) pause();
	}
	setpgid(child, child);
	must(tcsetpgrp(own.slave, child));
	int never = must(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	for (int i = 0; i < count; i++) close(held[i]);

	ready();
	wait_until_told();

	char name[64];
	must(ttyname_r(set_up.slave, name, sizeof name));
	prove("number", strcmp(name, set_up.name) == 0);
	must(tcgetattr(set_up.slave, &found));
	prove("termios", !(found.c_lflag & ECHO) && found.c_cc[VINTR] == 'x' && cfgetospeed(&found) == B9600);
	must(ioctl(set_up.master, TIOCGWINSZ, &found_size));
	prove("size", memcmp(&size, &found_size, sizeof size) == 0);
	prove_equal("packets", number(set_up.master, TIOCGPKT), 1);
	prove_equal("exclusive", number(second, TIOCGEXCL), 1);
	prove_equal("lock", number(set_up.master, TIOCGPTLCK), 1);
	struct stat stat;
	must(fstat(set_up.slave, &stat));
	prove("owner", stat.st_uid == 123 && stat.st_gid == 456 && (stat.st_mode & 07777) == 0642);
	put(set_up.slave, "x");
	prove("packet", take(set_up.master)[0] == TIOCPKT_DATA);

	prove_text("line", take(busy.slave), "one\n");
	prove_text("empty line", take(busy.slave), "\n");
	prove_text("line without newline", take(busy.slave), "two");
	prove_text("end of file", take(busy.slave), "");
	prove_text("half a line", take(busy.slave), strerror(EAGAIN));
	put(busy.master, "ee\n");
	prove_text("rest of the line", take(busy.slave), "three\n");
	prove_text("output", take(busy.master), "out\r\n");

	prove_equal("raw count", number(raw.slave, FIONREAD), 5);
	prove_text("raw", take(raw.slave), "\003\004ab\n");

	prove("closed slave", hup(closed.master) && !hup(never));
	prove_text("last words", take(closed.master), "last words");
	prove_text("hung up", take(dead.slave), "");
	prove_equal("hung up, too", number(dead.slave, FIONREAD), -EIO);

	prove_equal("session", number(own.master, TIOCGSID), getpid());
	prove_equal("foreground", tcgetpgrp(own.slave), child);
	prove_equal("current", number(current, TIOCGSID), getpid());
	put(own.master, "\003");
	int status;
	must(waitpid(child, &status, 0));
	prove("interrupt", WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	restored();
}
