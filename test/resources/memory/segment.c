/* One System V segment, which it removes at its end. */
#include "program.h"
#include <sys/ipc.h>
#include <sys/shm.h>

int main(void)
{
	int id = must(shmget(0x52000000 + getpid(), 4096, IPC_CREAT | IPC_EXCL | 0600));
	char *memory = must(shmat(id, NULL, 0));
	strcpy(memory, "contents");
	ready();
	wait_until_told();
	expect(strcmp(memory, "contents") == 0);
	must(shmctl(id, IPC_RMID, NULL));
	restored();
}
