# A pool of processes, queues with their feeding threads, semaphores, conditions, events, a barrier, shared values and a manager: each result is checked.
import multiprocessing as mp, multiprocessing.shared_memory, os


def square(number):
    return number, number * number, os.getpid()


def worker(tasks, results, semaphore, lock, value, barrier, memory):
    while True:
        task = tasks.get()
        with semaphore, lock:
            value.value += 1
            memory.buf[task % memory.size] = task % 251
        results.put((task, task + 1, bytes(100_000) if task % 10 == 0 else b""))
        if task % 2 == 0:
            barrier.wait(60)


if __name__ == "__main__":
    mp.set_start_method("fork")
    tasks, results = mp.Queue(), mp.Queue(maxsize=8)
    semaphore, lock, value, barrier = mp.Semaphore(2), mp.Lock(), mp.Value("q", 0), mp.Barrier(2)
    memory = mp.shared_memory.SharedMemory(create=True, size=4096)
    memory.unlink()  # nothing of it is left behind, and it is a mapped file without a name
    arguments = (tasks, results, semaphore, lock, value, barrier, memory)
    workers = [mp.Process(target=worker, args=arguments, daemon=True) for _ in range(2)]
    for each in workers:
        each.start()
    condition, turns = mp.Condition(), mp.Value("i", 0)

    def taker():
        while True:
            with condition:
                condition.wait_for(lambda: turns.value % 2 == 1)
                turns.value += 1
                condition.notify_all()
    mp.Process(target=taker, daemon=True).start()
    with mp.Manager() as manager, mp.Pool(3, maxtasksperchild=40) as pool:
        table, round = manager.dict(), 0
        while True:
            round += 1
            answers = list(pool.imap_unordered(square, range(200), chunksize=5))
            assert sorted(answer[:2] for answer in answers) == [(n, n * n) for n in range(200)]
            before = value.value
            for task in range(40):
                tasks.put(task * 2)
            found = sorted(results.get(timeout=60)[:2] for _ in range(40))
            assert found == [(task * 2, task * 2 + 1) for task in range(40)], found
            assert value.value == before + 40
            assert bytes(memory.buf[:79:2]) == bytes(task * 2 % 251 for task in range(40))
            with condition:
                turns.value += 1
                condition.notify_all()
                assert condition.wait_for(lambda: turns.value % 2 == 0, 60)
            table[round] = round
            assert len(table) == round
            print("round", round, flush=True)
