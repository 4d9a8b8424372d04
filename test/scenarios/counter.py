# Three threads count, and a heap whose contents are checked all the time.
import sys, threading, time

heap = {n: "value %d" % n for n in range(200_000)}
counts = [0, 0, 0]


def count(which):
    while True:
        counts[which] += 1
        if heap[counts[which] % 200_000] != "value %d" % (counts[which] % 200_000):
            print("wrong", flush=True)
        time.sleep(0.001)


for which in range(3):
    threading.Thread(target=count, args=(which,), daemon=True).start()
print("ready", flush=True)
tick = 0
while True:
    tick += 1
    print("tick", tick, *counts, flush=True)
    time.sleep(0.01)
