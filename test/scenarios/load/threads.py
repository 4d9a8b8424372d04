# CPython with threads in time.sleep, in locks, conditions, events and queues, with time-outs and without. No sleep is too short, no lock is held twice.
import os, queue, signal, sys, threading, time

held, turns = threading.Lock(), [0]
condition, results = threading.Condition(), queue.Queue()
recursive, barrier = threading.RLock(), threading.Barrier(4)


def expect(holds, what):
    if not holds:
        print("wrong:", what, flush=True)
        os._exit(1)


def forever(act):
    def run():
        try:
            while True:
                act()
        except BaseException as error:
            expect(False, repr(error))
    threading.Thread(target=run, daemon=True).start()


def sleeper(seconds):
    def act():
        started = time.monotonic()
        time.sleep(seconds)
        expect(time.monotonic() - started >= seconds, "a sleep of %g s" % seconds)
        results.put(("sleep", seconds))
    return act


inside = []
def locker():
    with held:
        inside.append(threading.get_ident())
        expect(len(inside) == 1, "two hold a lock")
        turns[0] += 1
        time.sleep(0)
        inside.pop()
    with recursive, recursive:
        results.put(("lock", 0))
    time.sleep(0.0005)


never = threading.Lock()
never.acquire()
def timed_out():
    started = time.monotonic()
    expect(not never.acquire(timeout=0.02), "a lock that is never free")
    expect(time.monotonic() - started >= 0.02, "a time-out")
    results.put(("time-out", 0))


def meeting():
    barrier.wait()
    results.put(("barrier", 0))


alarms = [0]
def alarm(number, frame):
    alarms[0] += 1
signal.signal(signal.SIGALRM, alarm)
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)

for seconds in (0.001, 0.01, 0.05):
    forever(sleeper(seconds))
for _ in range(4):
    forever(locker)
    forever(meeting)
forever(timed_out)
threading.Thread(target=never.acquire, daemon=True).start()
number = 0
while True:
    number += 1
    before, seen = alarms[0], set()
    while seen < {("sleep", 0.001), ("sleep", 0.01), ("sleep", 0.05), ("lock", 0), ("time-out", 0), ("barrier", 0)}:
        seen.add(results.get())
    while alarms[0] == before:
        time.sleep(0.001)
    print("round", number, flush=True)
