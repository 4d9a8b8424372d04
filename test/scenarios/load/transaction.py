# Writes a database, in the middle of a transaction when it is dumped: transaction.py delete|wal. Each line "commit" that it reads from the FIFO ends one
# and begins the next. Pages of it are in the file or its log already: the cache is small. Others may read and must not write.
import sqlite3, sys

connection = sqlite3.connect("database", isolation_level=None, timeout=0)
connection.execute("pragma journal_mode = " + sys.argv[1])
connection.execute("pragma cache_size = 10")
connection.execute("create table rows (number integer primary key, text text, round integer)")
number, sums = 0, []
with open("orders") as orders:
    print("listens", flush=True)
    for round, order in enumerate(orders, 1):
        if connection.in_transaction:
            connection.execute("commit")
        found = connection.execute("select count(*), sum(length(text)) from rows").fetchone()
        print("committed", *found, flush=True)
        if order.strip() == "end":
            break
        connection.execute("begin immediate")
        for number in range(number + 1, number + 3001):
            connection.execute("insert into rows values (?, ?, ?)", (number, str(number) * 50, round))
        connection.execute("update rows set text = text || 'x' where number % 7 = 0")
        print("round", round, "has begun", flush=True)
print(*connection.execute("pragma integrity_check").fetchone(), flush=True)
