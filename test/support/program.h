/* What test programs share: make a state, ready(), then either serve forever or wait_until_told() and prove the state. */
#ifndef STASIS_PROGRAM_H
#define STASIS_PROGRAM_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* One line to the output file, by one write(2): nothing is left in a buffer of stdio. */
static inline void say(const char *format, ...)
{
	char line[1024];
	va_list values;
	va_start(values, format);
	int length = vsnprintf(line, sizeof line - 1, format, values);
	va_end(values);
	if (length > (int)sizeof line - 2) length = sizeof line - 2;
	line[length++] = '\n';
	if (write(STDOUT_FILENO, line, length) != length) _exit(98);
}

/* The state is not what it should be: says so and ends the program. */
#define fail(...) do { say("failed: " __VA_ARGS__); _exit(1); } while (0)
/* A call that has to work: fails with its text and errno. */
#define must(call) ({ __typeof__(call) result_ = (call); if (result_ == (__typeof__(call))-1) fail("%s: %s", #call, strerror(errno)); result_; })
/* One behaviour of several: the test that is named so passes or fails by it. */
#define prove(name, condition) say("%s: %s", name, (condition) ? "proved" : "not so: " #condition)
#define prove_equal(name, found, wanted) ({ long long found_ = (long long)(found), wanted_ = (long long)(wanted); found_ == wanted_ ? say("%s: proved", name) : say("%s: " #found " is %lld, not %lld", name, found_, wanted_); })
#define expect(condition) do { if (!(condition)) fail("%s:%d: %s", __FILE__, __LINE__, #condition); } while (0)

static volatile sig_atomic_t told_;
static void tell_(int signal) { (void)signal; told_ = 1; }

/* The state is made: the test may dump from here on. */
static inline void ready(void)
{
	signal(SIGUSR2, tell_);
	say("ready");
}

/* Sleeps until the test sends SIGUSR2. */
static inline void wait_until_told(void)
{
	while (!told_) usleep(5000);
	told_ = 0;
}

/* The state was found as it was left. */
static inline _Noreturn void restored(void) { say("restored"); _exit(0); }
#endif
