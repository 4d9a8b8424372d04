/* Unix sockets by name, as the programs beside this make them. '@' stands for the NUL of an abstract name. */
#ifndef STASIS_UNIX_ADDRESS_H
#define STASIS_UNIX_ADDRESS_H
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static inline struct sockaddr_un named(const char *name, socklen_t *length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	strcpy(address.sun_path, name);
	*length = offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] == '@' ? 0 : 1);
	if (name[0] == '@') address.sun_path[0] = 0;
	return address;
}
static inline int bound(int type, const char *name)
{
	socklen_t length;
	struct sockaddr_un address = named(name, &length);
	int sk = must(socket(AF_UNIX, type, 0));
	must(bind(sk, (struct sockaddr *)&address, length));
	return sk;
}
static inline int listening(int type, const char *name)
{
	int sk = bound(type, name);
	must(listen(sk, 7));
	return sk;
}
static inline int connect_to(int sk, const char *name)
{
	socklen_t length;
	struct sockaddr_un address = named(name, &length);
	return connect(sk, (struct sockaddr *)&address, length);
}
static inline int connected(int type, const char *name)
{
	int sk = must(socket(AF_UNIX, type, 0));
	must(connect_to(sk, name));
	return sk;
}
#endif
