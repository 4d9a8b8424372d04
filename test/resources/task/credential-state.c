/* Threads of different users with different groups, capabilities and secure bits. */
#include "program.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { THREADS = 3 };
struct state {
	uid_t uids[3], gids[3];
	int fsuid, fsgid, groups_count, securebits, no_new_privileges;
	gid_t groups[8];
	struct __user_cap_data_struct sets[2];
	uint64_t bounding, ambient;
};
static struct state before[THREADS], after[THREADS];
static pthread_barrier_t made, told;

static struct state look(void)
{
	struct state s;
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	memset(&s, 0, sizeof s);
	must(getresuid(&s.uids[0], &s.uids[1], &s.uids[2]));
	must(getresgid(&s.gids[0], &s.gids[1], &s.gids[2]));
	s.fsuid = syscall(SYS_setfsuid, -1);
	s.fsgid = syscall(SYS_setfsgid, -1);
	s.groups_count = must(getgroups(8, s.groups));
	s.securebits = must(prctl(PR_GET_SECUREBITS));
	s.no_new_privileges = must(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	must(syscall(SYS_capget, &header, s.sets));
	for (int cap = 0; cap <= 40; cap++) {
		if (prctl(PR_CAPBSET_READ, cap) == 1) s.bounding |= 1ull << cap;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1) s.ambient |= 1ull << cap;
	}
	return s;
}

/* glibc's wrappers would change all threads. */
static void become(int thread)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct sets[2];
	gid_t groups[] = { 1000 + thread, 77, 4000000000u };

	if (thread == 0) return;
	must(syscall(SYS_capget, &header, sets));
	must(prctl(PR_CAPBSET_DROP, CAP_MKNOD));
	if (thread == 1) must(prctl(PR_CAPBSET_DROP, CAP_SYS_TIME));
	must(prctl(PR_SET_SECUREBITS, thread == 1 ? SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP : SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_KEEP_CAPS));
	must(syscall(SYS_setgroups, 3, groups));
	must(syscall(SYS_setresgid, 100 + thread, 200 + thread, 300 + thread));
	must(syscall(SYS_setresuid, 4000 + thread, 5000 + thread, 3000000000u + thread));
	if (thread == 1) {
		must(syscall(SYS_setfsgid, 300 + thread));
		must(syscall(SYS_setfsuid, 4000 + thread));
	}
	sets[0].permitted = 1 << CAP_NET_RAW | 1 << CAP_KILL | 1 << CAP_CHOWN | 1 << CAP_SETPCAP;
	sets[0].effective = 1 << CAP_KILL;
	sets[0].inheritable = 1 << CAP_NET_RAW | 1 << CAP_SETPCAP;
	sets[1].permitted = thread == 1 ? CAP_TO_MASK(CAP_SYSLOG) : 0;
	sets[1].effective = sets[1].inheritable = 0;
	must(syscall(SYS_capset, &header, sets));
	if (thread == 1) must(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
	if (thread == 2) must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void *work(void *which)
{
	int thread = (intptr_t)which;
	become(thread);
	before[thread] = look();
	pthread_barrier_wait(&made);
	pthread_barrier_wait(&told);
	after[thread] = look();
	return NULL;
}

#define SAME(field) ({ int equal_ = 1; for (int i_ = 0; i_ < THREADS; i_++) equal_ &= memcmp(&before[i_].field, &after[i_].field, sizeof before[i_].field) == 0; equal_; })

int main(void)
{
	pthread_t threads[THREADS];
	pthread_barrier_init(&made, NULL, THREADS + 1);
	pthread_barrier_init(&told, NULL, THREADS + 1);
	for (intptr_t i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)i);
	pthread_barrier_wait(&made);
	ready();
	wait_until_told();
	pthread_barrier_wait(&told);
	for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
	prove("uids", SAME(uids) && before[1].uids[2] == 3000000001u);
	prove("gids", SAME(gids) && before[1].gids[0] == 101);
	prove("filesystem", SAME(fsuid) && SAME(fsgid) && before[1].fsuid == 4001 && before[2].fsuid == 5002);
	prove("groups", SAME(groups) && SAME(groups_count) && before[1].groups_count == 3 && before[0].groups_count != 3);
	prove("sets", SAME(sets) && before[1].sets[1].permitted != 0);
	prove("bounding", SAME(bounding) && !(before[1].bounding >> CAP_MKNOD & 1) && before[1].bounding != before[2].bounding);
	prove("ambient", SAME(ambient) && before[1].ambient == 1 << CAP_NET_RAW && before[2].ambient == 0);
	prove("securebits", SAME(securebits) && before[1].securebits != before[2].securebits);
	prove("privileges", SAME(no_new_privileges) && before[2].no_new_privileges == 1 && before[1].no_new_privileges == 0);
	restored();
}
