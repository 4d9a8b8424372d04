/* Queues of TUN and TAP interfaces. "passing": of one that goes away with the program. */
#include "program.h"
#include <arpa/inet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { PORT = 4711, HEADER_BYTES = 12 };

static struct ifreq request(const char *name, int flags)
{
	struct ifreq found = { 0 };
	snprintf(found.ifr_name, IFNAMSIZ, "%s", name);
	found.ifr_flags = flags;
	return found;
}

static int queue(const char *name, int flags, int persistent)
{
	int file = must(open("/dev/net/tun", O_RDWR | O_NONBLOCK));
	struct ifreq wanted = request(name, flags);
	must(ioctl(file, TUNSETIFF, &wanted));
	must(ioctl(file, TUNSETPERSIST, persistent));
	return file;
}

static struct ifreq state(int file)
{
	struct ifreq found = { 0 };
	if (ioctl(file, TUNGETIFF, &found) != 0) found.ifr_flags = -1;
	return found;
}

static void address(const char *name, int call, const char *text)
{
	struct sockaddr_in of = { .sin_family = AF_INET };
	struct ifreq wanted = request(name, 0);
	int file = must(socket(AF_INET, SOCK_DGRAM, 0));
	inet_pton(AF_INET, text, &of.sin_addr);
	memcpy(&wanted.ifr_addr, &of, sizeof of);
	must(ioctl(file, call, &wanted));
	close(file);
}

static void up(const char *name)
{
	struct ifreq wanted = request(name, IFF_UP);
	int file = must(socket(AF_INET, SOCK_DGRAM, 0));
	must(ioctl(file, SIOCSIFFLAGS, &wanted));
	close(file);
}

/* Whether a datagram to the other end of the interface comes out of the queue, without anything before it. */
static int carries(int file, const char *to)
{
	struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int socket_ = must(socket(AF_INET, SOCK_DGRAM, 0));
	unsigned char packet[2048];
	inet_pton(AF_INET, to, &there.sin_addr);
	must(sendto(socket_, "through", 7, 0, (struct sockaddr *)&there, sizeof there));
	for (ssize_t length; (length = read(file, packet, sizeof packet)) > 0;)
		if (packet[0] >> 4 == 4 && length == 20 + 8 + 7 && memcmp(packet + 28, "through", 7) == 0) return 1;
	return 0;
}

static void leave(int file) { must(ioctl(file, TUNSETPERSIST, 0)); }

int main(int count, char **arguments)
{
	char tun[IFNAMSIZ], tap[IFNAMSIZ];
	int size = HEADER_BYTES;
	snprintf(tun, sizeof tun, "stasis%d", getpid() % 100000);
	snprintf(tap, sizeof tap, "stasib%d", getpid() % 100000);
	if (count > 1) {
		int passing = queue(tun, IFF_TUN | IFF_NO_PI, 0);
		ready();
		wait_until_told();
		expect(strcmp(state(passing).ifr_name, tun) == 0);
		restored();
	}
	int none = must(open("/dev/net/tun", O_RDWR));
	int one = queue(tun, IFF_TUN | IFF_NO_PI, 1);
	char other[16];
	snprintf(other, sizeof other, "192.0.2.%d", getpid() % 250 + 2);
	address(tun, SIOCSIFADDR, "192.0.2.1");
	address(tun, SIOCSIFDSTADDR, other);
	up(tun);
	int first = queue(tap, IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE | IFF_VNET_HDR, 1);
	must(ioctl(first, TUNSETVNETHDRSZ, &size));
	int second = queue(tap, IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE | IFF_VNET_HDR, 1);
	struct ifreq detach = request("", IFF_DETACH_QUEUE), attach = request("", IFF_ATTACH_QUEUE);
	must(ioctl(second, TUNSETQUEUE, &detach));
	ready();
	wait_until_told();

	struct ifreq wanted = request(tun, IFF_TUN | IFF_NO_PI);
	prove("unattached", state(none).ifr_flags == -1 && errno == EBADFD && (wanted.ifr_name[0] = 'x', ioctl(none, TUNSETIFF, &wanted) == 0));
	prove("attached", strcmp(state(one).ifr_name, tun) == 0 && carries(one, other));
	prove("nonblocking", (fcntl(one, F_GETFL) & ~0100000) == (O_RDWR | O_NONBLOCK));
	prove("queues", strcmp(state(first).ifr_name, tap) == 0 && strcmp(state(second).ifr_name, tap) == 0);
	prove("detached", !(state(first).ifr_flags & IFF_DETACH_QUEUE) && (state(second).ifr_flags & IFF_DETACH_QUEUE));
	prove("attached-again", ioctl(second, TUNSETQUEUE, &attach) == 0 && !(state(second).ifr_flags & IFF_DETACH_QUEUE));
	size = 0;
	prove("header", ioctl(first, TUNGETVNETHDRSZ, &size) == 0 && size == HEADER_BYTES && (state(first).ifr_flags & IFF_VNET_HDR));
	leave(one);
	leave(first);
	restored();
}
