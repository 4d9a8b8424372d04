/* System V segments: shared with a child, read-only, removed while attached, with parts unmapped, moved and protected. */
#include "program.h"
#include <sys/ipc.h>
#include <sys/shm.h>

enum { PAGE = 4096 };

static int make(key_t key, size_t size, int mode) { return must(shmget(key, size, IPC_CREAT | IPC_EXCL | mode)); }
static struct shmid_ds about(int id)
{
	struct shmid_ds found;
	must(shmctl(id, IPC_STAT, &found));
	return found;
}
static int remove_(int id) { return shmctl(id, IPC_RMID, NULL); }

static void child(volatile uint32_t *words)
{
	for (;;) {
		if (words[0] != 0 && words[1] == 0) words[1] = words[0] + 1;
		usleep(1000);
	}
}

int main(void)
{
	key_t key = 0x51000000 + getpid();
	int plain = make(key, 3 * PAGE + 100, 0640);
	struct shmid_ds changed = about(plain);
	changed.shm_perm.uid = 77;
	changed.shm_perm.gid = 88;
	must(shmctl(plain, IPC_SET, &changed));
	char *memory = must(shmat(plain, NULL, 0));
	char *constant = must(shmat(plain, NULL, SHM_RDONLY));
	strcpy(memory + 2 * PAGE, "plain");
	strcpy(memory + 3 * PAGE + 2000, "behind the end");
	volatile uint32_t *words = (void *)memory;
	pid_t helper = must(fork());
	if (helper == 0) child(words);

	int removed = make(IPC_PRIVATE, PAGE, 0600);
	char *last = must(shmat(removed, NULL, 0));
	strcpy(last, "removed");
	must(remove_(removed));

	/* The second page unmapped, the third moved away, the fourth protected. */
	int parts = make(IPC_PRIVATE, 5 * PAGE, 0600);
	char *first = must(shmat(parts, NULL, 0));
	for (int i = 0; i < 5; i++) first[i * PAGE] = 'a' + i;
	char *place = must(mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	must(munmap(first + PAGE, PAGE));
	must(mremap(first + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place));
	must(mprotect(first + 3 * PAGE, PAGE, PROT_READ));

	int sparse = make(IPC_PRIVATE, 1 << 28, SHM_NORESERVE | 0600);
	char *far = must(shmat(sparse, NULL, 0));
	far[200 << 20] = 9;
	/* Made by this program, and not attached: a segment stays when nobody has it. */
	int kept = make(IPC_PRIVATE, PAGE, 0600);
	char *later = must(shmat(kept, NULL, 0));
	strcpy(later, "kept");
	must(shmdt(later));
	ready();
	wait_until_told();

	struct shmid_ds now = about(plain);
	prove("id", shmget(key, 0, 0) == plain);
	prove("size", now.shm_segsz == 3 * PAGE + 100);
	prove("rights", (now.shm_perm.mode & 0777) == 0640 && now.shm_perm.uid == 77 && now.shm_perm.gid == 88 && now.shm_perm.cuid == getuid());
	prove("contents", strcmp(memory + 2 * PAGE, "plain") == 0 && strcmp(memory + 3 * PAGE + 2000, "behind the end") == 0);
	prove("constant", strcmp(constant + 2 * PAGE, "plain") == 0 && mprotect(constant, PAGE, PROT_WRITE) == -1 && errno == EACCES);
	words[0] = 41;
	for (int i = 0; i < 5000 && words[1] == 0; i++) usleep(1000);
	prove_equal("shared", words[1], 42);
	kill(helper, SIGKILL);
	waitpid(helper, NULL, 0);
	prove_equal("attachments", about(plain).shm_nattch, 2);
	prove("detach", shmdt(memory) == 0 && about(plain).shm_nattch == 1);
	prove("removed", strcmp(last, "removed") == 0 && (about(removed).shm_perm.mode & SHM_DEST) && shmdt(last) == 0 && shmctl(removed, IPC_STAT, &now) == -1);
	prove("parts", first[0] == 'a' && place[0] == 'c' && first[3 * PAGE] == 'd' && first[4 * PAGE] == 'e');
	prove("moved", shmdt(first) == 0 && about(parts).shm_nattch == 1 && place[0] == 'c' && shmdt(place - 2 * PAGE) == 0);
	prove("sparse", far[200 << 20] == 9 && far[100 << 20] == 0);
	prove("kept", (later = shmat(kept, NULL, 0)) != (void *)-1 && strcmp(later, "kept") == 0);
	remove_(plain), remove_(parts), remove_(sparse), remove_(kept);
	restored();
}
