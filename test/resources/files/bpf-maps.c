/* BPF maps of every kind that is carried over, by bpf(2) alone. */
#include "program.h"
#include <linux/bpf.h>
#include <sys/syscall.h>

enum { MANY = 5000, FEW = 4 };

static long bpf(int command, union bpf_attr *attributes) { return syscall(SYS_bpf, command, attributes, sizeof *attributes); }

static int map(int type, int key, int value, int most, int flags)
{
	union bpf_attr attributes = { .map_type = type, .key_size = key, .value_size = value, .max_entries = most, .map_flags = flags };
	strcpy(attributes.map_name, "of_the_test");
	return must(bpf(BPF_MAP_CREATE, &attributes));
}

static long element(int command, int map, const void *key, void *value)
{
	union bpf_attr attributes = { .map_fd = map, .key = (uintptr_t)key, .value = (uintptr_t)value };
	return bpf(command, &attributes);
}
static void put(int map, const void *key, const void *value) { must(element(BPF_MAP_UPDATE_ELEM, map, key, (void *)value)); }

static struct bpf_map_info info(int map)
{
	struct bpf_map_info found = { 0 };
	union bpf_attr attributes = { .info = { .bpf_fd = map, .info_len = sizeof found, .info = (uintptr_t)&found } };
	must(bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes));
	return found;
}

static int again(int map, int flags)
{
	union bpf_attr attributes = { .map_id = info(map).id, .open_flags = flags };
	return must(bpf(BPF_MAP_GET_FD_BY_ID, &attributes));
}

static int count(int map, size_t key_bytes)
{
	char key[16], next[16];
	union bpf_attr attributes = { .map_fd = map, .next_key = (uintptr_t)next };
	int found = 0;
	for (; bpf(BPF_MAP_GET_NEXT_KEY, &attributes) == 0; found++) {
		memcpy(key, next, key_bytes);
		attributes.key = (uintptr_t)key;
	}
	return found;
}

struct route { uint32_t bits; uint8_t address[4]; };

int main(void)
{
	int hash = map(BPF_MAP_TYPE_HASH, 4, 8, 2 * MANY, 0);
	int empty = map(BPF_MAP_TYPE_HASH, 8, 8, FEW, BPF_F_NO_PREALLOC);
	int array = map(BPF_MAP_TYPE_ARRAY, 4, 12, FEW, BPF_F_MMAPABLE);
	int frozen = map(BPF_MAP_TYPE_ARRAY, 4, 4, FEW, 0);
	int lru = map(BPF_MAP_TYPE_LRU_HASH, 4, 4, 100, 0);
	int trie = map(BPF_MAP_TYPE_LPM_TRIE, sizeof(struct route), 4, 100, BPF_F_NO_PREALLOC);
	int each = map(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 4, FEW, 0);
	for (int key = 0; key < MANY; key++) put(hash, &key, &(uint64_t){ 0x100000000ull * key + 7 });
	for (int key = 0; key < FEW; key++) {
		uint64_t everywhere[1024];
		for (int processor = 0; processor < 1024; processor++) everywhere[processor] = 100 * key + processor;
		put(array, &key, (uint32_t[]){ key, key + 1, key + 2 });
		put(frozen, &key, &(int){ -key });
		put(lru, &key, &(int){ 3 * key });
		put(each, &key, everywhere);
	}
	put(trie, &(struct route){ 8, { 10 } }, &(int){ 1 });
	put(trie, &(struct route){ 16, { 10, 1 } }, &(int){ 2 });
	must(bpf(BPF_MAP_FREEZE, &(union bpf_attr){ .map_fd = frozen }));
	int reading = again(hash, BPF_F_RDONLY), writing = again(hash, BPF_F_WRONLY), copy = must(dup(hash));
	int only_written = map(BPF_MAP_TYPE_HASH, 4, 8, FEW, BPF_F_WRONLY);
	put(only_written, &(int){ 5 }, &(uint64_t){ 55 });
	ready();
	wait_until_told();

	int same = 1;
	uint64_t value = 0;
	for (int key = 0; key < MANY; key++) same &= element(BPF_MAP_LOOKUP_ELEM, hash, &key, &value) == 0 && value == 0x100000000ull * key + 7;
	prove("hash", same && count(hash, 4) == MANY);
	prove_equal("empty", count(empty, 8), 0);
	uint32_t three[3] = { 0 };
	prove("array", element(BPF_MAP_LOOKUP_ELEM, array, &(int){ 3 }, three) == 0 && three[0] == 3 && three[2] == 5);
	int number = 0;
	prove("frozen", element(BPF_MAP_LOOKUP_ELEM, frozen, &(int){ 2 }, &number) == 0 && number == -2
		&& element(BPF_MAP_UPDATE_ELEM, frozen, &(int){ 2 }, &number) == -1 && errno == EPERM);
	prove("lru", element(BPF_MAP_LOOKUP_ELEM, lru, &(int){ 3 }, &number) == 0 && number == 9 && count(lru, 4) == FEW);
	prove("trie", element(BPF_MAP_LOOKUP_ELEM, trie, &(struct route){ 32, { 10, 1, 2, 3 } }, &number) == 0 && number == 2);
	uint64_t everywhere[1024] = { 0 };
	int processors = sysconf(_SC_NPROCESSORS_CONF);
	same = element(BPF_MAP_LOOKUP_ELEM, each, &(int){ 2 }, everywhere) == 0;
	for (int processor = 0; processor < processors; processor++) same &= everywhere[processor] == (uint64_t)200 + processor;
	prove("each", same);
	prove("one", info(reading).id == info(hash).id && info(writing).id == info(hash).id && info(copy).id == info(hash).id);
	prove("reading", element(BPF_MAP_LOOKUP_ELEM, reading, &(int){ 1 }, &value) == 0
		&& element(BPF_MAP_UPDATE_ELEM, reading, &(int){ 1 }, &value) == -1 && errno == EPERM);
	put(writing, &(int){ 1 }, &(uint64_t){ 11 });
	prove("writing", element(BPF_MAP_LOOKUP_ELEM, writing, &(int){ 1 }, &value) == -1 && errno == EPERM
		&& element(BPF_MAP_LOOKUP_ELEM, copy, &(int){ 1 }, &value) == 0 && value == 11);
	prove("only-written", element(BPF_MAP_LOOKUP_ELEM, again(only_written, 0), &(int){ 5 }, &value) == 0 && value == 55);
	prove("name", strcmp(info(hash).name, "of_the_test") == 0);
	restored();
}
