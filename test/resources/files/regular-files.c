/* Open files of a file system: where they stand, how they were opened, and those whose name is gone. */
#include "program.h"
#include <dirent.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

enum { CHUNK = 8192 };
static const off_t ghost_size = 64 << 20;
static const off_t ghost_data[] = { 0, 12345, 1 << 20, (32 << 20) + 4096, (64 << 20) - CHUNK };

static int make(const char *name, const char *text, int flags)
{
	int file = must(open(name, O_RDWR | O_CREAT | O_TRUNC, 0640));
	must(write(file, text, strlen(text)));
	close(file);
	return must(open(name, flags));
}
static int reads(int file, off_t at, const char *wanted)
{
	char text[64] = "";
	return pread(file, text, strlen(wanted), at) == (ssize_t)strlen(wanted) && strcmp(text, wanted) == 0;
}
/* What a read of the next bytes gives. */
static int next_is(int file, const char *wanted)
{
	char text[64] = "";
	return read(file, text, strlen(wanted)) == (ssize_t)strlen(wanted) && strcmp(text, wanted) == 0;
}
/* A place in the file system, and no more. */
static int holds(int file, mode_t type)
{
	struct stat found;
	return fstat(file, &found) == 0 && (found.st_mode & S_IFMT) == type && (fcntl(file, F_GETFL) & O_PATH);
}
static int flags_of(int file) { return fcntl(file, F_GETFL); }
static void fill(char *at, off_t seed)
{
	for (int i = 0; i < CHUNK; i++) at[i] = (i * 31 + (seed >> 3)) | 1;
}
static off_t size_of(int file) { struct stat s; must(fstat(file, &s)); return s.st_size; }

int main(void)
{
	char bytes[CHUNK], found[CHUNK], path[64], name[256];
	struct stat before, after;

	int position = make("position", "0123456789", O_RDONLY);
	must(lseek(position, 4, SEEK_SET));
	int end = make("end", "0123", O_RDWR);
	must(lseek(end, 1000, SEEK_SET));
	int append = make("append", "first", O_WRONLY | O_APPEND);
	int sync = make("sync", "x", O_RDWR | O_DSYNC | O_NONBLOCK | O_NOATIME);
	int direct = open("sync", O_RDONLY | O_DIRECT);
	int high = must(fcntl(position, F_DUPFD_CLOEXEC, 777));
	int another = must(open("position", O_RDONLY | O_CLOEXEC));

	must(mkdir("directory", 0755));
	close(must(open("directory/entry", O_CREAT | O_RDWR, 0600)));
	int directory = must(open("directory", O_RDONLY | O_DIRECTORY));
	int path_only = must(open("append", O_PATH));
	must(mkfifo("fifo", 0600));
	must(mknod("device", S_IFCHR | 0600, makedev(10, 237)));
	int held_fifo = must(open("fifo", O_PATH)), held_device = must(open("device", O_PATH));
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int bound = must(socket(AF_UNIX, SOCK_STREAM, 0));
	must(bind(bound, (struct sockaddr *)&address, sizeof address));
	must(close(bound));
	int held_socket = must(open("socket", O_PATH));
	must(symlink("nowhere", "link"));
	int link_itself = must(open("link", O_PATH | O_NOFOLLOW));
	int null = must(open("/dev/null", O_RDWR)), zero = must(open("/dev/zero", O_RDONLY)), random = must(open("/dev/urandom", O_RDONLY));
	snprintf(path, sizeof path, "/proc/%d/comm", getpid());
	int proc = must(open(path, O_RDWR));

	/* Without a name: large with holes, small, empty, temporary, opened twice, a directory. */
	int ghost = make("ghost", "", O_RDWR);
	must(ftruncate(ghost, ghost_size));
	for (int i = 0; i < 5; i++) {
		fill(bytes, ghost_data[i]);
		must(pwrite(ghost, bytes, CHUNK, ghost_data[i]));
	}
	must(lseek(ghost, 777, SEEK_SET));
	int ghost_again = must(open("ghost", O_RDONLY));
	must(fchown(ghost, 1234, 4321));
	must(fchmod(ghost, 04751));
	struct timespec times[2] = { { 1000000000, 500000000 }, { 1100000000, 250000000 } };
	must(futimens(ghost, times));
	must(unlink("ghost"));
	must(fstat(ghost, &before));
	int small = make("small", "small", O_RDWR), empty = make("empty", "", O_RDONLY);
	must(unlink("small"));
	must(unlink("empty"));
	int taken = make("taken", "the old one", O_RDWR);
	must(unlink("taken"));
	close(make("taken", "the new one", O_RDWR));
	int temporary = must(open(".", O_TMPFILE | O_RDWR, 0600));
	must(write(temporary, "temporary", 9));
	must(mkdir("lost", 0700));
	int inside = make("lost/inside", "inside", O_RDWR);
	int lost = must(open("lost", O_RDONLY | O_DIRECTORY));
	must(unlink("lost/inside"));
	must(rmdir("lost"));
	ready();
	wait_until_told();

	prove("position", next_is(position, "4567"));
	prove("end", lseek(end, 0, SEEK_CUR) == 1000 && write(end, "x", 1) == 1 && size_of(end) == 1001);
	prove("append", write(append, "second", 6) == 6 && (flags_of(append) & O_APPEND) && size_of(append) == 11);
	prove("flags", (flags_of(sync) & (O_DSYNC | O_NONBLOCK | O_NOATIME | O_ACCMODE)) == (O_DSYNC | O_NONBLOCK | O_NOATIME | O_RDWR) && (direct < 0 || (flags_of(direct) & (O_DIRECT | O_ACCMODE)) == O_DIRECT));
	prove("rights", write(position, "x", 1) == -1 && errno == EBADF && read(append, bytes, 1) == -1 && errno == EBADF);
	prove("high", high == 777 && (fcntl(high, F_GETFD) & FD_CLOEXEC) && !(fcntl(position, F_GETFD) & FD_CLOEXEC) && lseek(high, 0, SEEK_CUR) == 8);
	prove("another", (fcntl(another, F_GETFD) & FD_CLOEXEC) && next_is(another, "01") && lseek(position, 0, SEEK_CUR) == 8);
	DIR *entries = fdopendir(directory);
	int found_entry = 0;
	for (struct dirent *entry; (entry = readdir(entries));) found_entry |= strcmp(entry->d_name, "entry") == 0;
	prove("directory", found_entry && openat(dirfd(entries), "entry", O_RDONLY) >= 0);
	prove("path", (flags_of(path_only) & O_PATH) && read(path_only, bytes, 1) == -1 && errno == EBADF && fstat(path_only, &after) == 0 && after.st_size == 11);
	prove("held", holds(held_fifo, S_IFIFO) && holds(held_socket, S_IFSOCK) && holds(held_device, S_IFCHR));
	prove("link", readlinkat(link_itself, "", name, sizeof name) == 7 && memcmp(name, "nowhere", 7) == 0);
	prove("devices", write(null, "x", 1) == 1 && read(zero, bytes, 4) == 4 && memcmp(bytes, "\0\0\0\0", 4) == 0 && read(random, bytes, 4) == 4);
	prove("proc", reads(proc, 0, "regular-files") && write(proc, "renamed", 7) == 7 && reads(proc, 0, "renamed"));

	must(fstat(ghost, &after));
	int same = 1;
	for (int i = 0; i < 5; i++) {
		fill(bytes, ghost_data[i]);
		must(pread(ghost, found, CHUNK, ghost_data[i]));
		same &= memcmp(bytes, found, CHUNK) == 0;
	}
	prove("ghost", same && lseek(ghost, 0, SEEK_CUR) == 777 && after.st_size == ghost_size);
	must(pread(ghost, found, CHUNK, 16 << 20));
	prove("holes", after.st_blocks <= before.st_blocks && found[0] == 0);
	prove("attributes", after.st_mode == before.st_mode && after.st_uid == 1234 && after.st_gid == 4321 && after.st_mtim.tv_sec == 1100000000 && after.st_mtim.tv_nsec == 250000000);
	must(pwrite(ghost, "seen", 4, 5 << 20));
	prove("both", reads(ghost_again, 5 << 20, "seen") && lseek(ghost_again, 0, SEEK_CUR) == 0 && after.st_nlink == 0);
	prove("small", reads(small, 0, "small") && size_of(empty) == 0 && access("small", F_OK) == -1);
	prove("taken", reads(taken, 0, "the old one") && reads(open("taken", O_RDONLY), 0, "the new one"));
	prove("temporary", reads(temporary, 0, "temporary") && lseek(temporary, 0, SEEK_CUR) == 9);
	prove("lost", reads(inside, 0, "inside") && fstat(lost, &after) == 0 && after.st_nlink == 0 && S_ISDIR(after.st_mode) && access("lost", F_OK) == -1);
	int leftovers = 0;
	entries = opendir(".");
	for (struct dirent *entry; (entry = readdir(entries));) leftovers += strstr(entry->d_name, "ghost") != NULL;
	prove_equal("leftovers", leftovers, 0);
	restored();
}
