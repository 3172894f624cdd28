"""What members of a consumer group go through, whichever client of Python they are of.

A client hands in how to do it: create(topic, partitions), produce(topic, first, count), committed(group) and
member(topic, group, assignor=…, instance=…, session_ms=…). A member has the `values` that it has read, the partitions
that it has `owned`, how many were `revoked`, how often some were `assigned`, its `failure`, and close().
"""

import os
import subprocess
import sys
import threading
import time

PARTITIONS = 6
KEYS = 24
ROUND = 240
# The shortest that brokers allow.
SESSION_MS = 6_000


class Member(threading.Thread):
    """A member in a thread of its own. What is a client's own is in `run`."""

    def __init__(self, topic, group, settings):
        super().__init__(daemon=True)
        self.topic, self.group, self.settings = topic, group, settings
        self.values, self.owned = [], set()
        self.revoked = self.assigned = 0
        self.failure = None
        self.stopping = False

    def run(self):
        try:
            self.consume()
        except Exception as error:  # noqa: BLE001  whatever it is, whoever waits for it hears of it
            self.failure = error

    def note_assigned(self, partitions):
        self.assigned += 1
        self.owned |= set(partitions)

    def note_revoked(self, partitions):
        self.revoked += len(partitions)
        self.owned -= set(partitions)

    def close(self):
        self.stopping = True
        self.join(30)
        if self.failure is not None:
            raise self.failure


def key_of(value):
    return f"key-{value % KEYS}".encode()


def check(holds, what):
    if not holds:
        raise AssertionError(what)


def until(what, holds, members=()):
    deadline = time.time() + 40
    while not holds():
        for member in members:
            if member.failure is not None:
                raise member.failure
        check(time.time() < deadline, f"not within 40 s: {what}")
        time.sleep(0.05)


def have_seen(first, count, *members):
    return set(range(first, first + count)) <= {value for member in members for value in list(member.values)}


def times(first, count, *members):
    return sum(first <= value < first + count for member in members for value in list(member.values))


def in_order_of_keys(*members):
    """The first time that a member sees a record comes behind those of the same key that were written before."""
    for member in members:
        last = {}
        for value in dict.fromkeys(member.values):
            check(last.get(value % KEYS, -1) < value, f"{value} of a key came after {last.get(value % KEYS)}")
            last[value % KEYS] = value


def members(client, see, assignor):
    def run(topic):
        group = f"{topic}-group"
        client.create(topic, PARTITIONS)
        client.produce(topic, 0, ROUND)
        first = client.member(topic, group, assignor=assignor)
        alone = lambda: len(first.owned) == PARTITIONS  # noqa: E731
        until("the first has all", lambda: have_seen(0, ROUND, first) and alone(), [first])
        revoked = first.revoked
        second = client.member(topic, group, assignor=assignor)
        both = [first, second]
        for i in range(8):
            client.produce(topic, ROUND + i * ROUND // 8, ROUND // 8)
            time.sleep(0.2)
        shared = lambda: len(first.owned) == 3 and len(second.owned) == 3  # noqa: E731
        until("both share", lambda: have_seen(ROUND, ROUND, *both) and shared(), both)
        see("revoked for the second", first.revoked - revoked)
        twice = times(0, 2 * ROUND, *both) - 2 * ROUND
        client.produce(topic, 2 * ROUND, ROUND)
        until("both read", lambda: have_seen(2 * ROUND, ROUND, *both), both)
        see("seen while they are two", times(2 * ROUND, ROUND, *both))
        second.close()
        until("the first has all again", alone, [first])
        client.produce(topic, 3 * ROUND, ROUND)
        until("the first reads on", lambda: have_seen(3 * ROUND, ROUND, first), [first])
        see("seen when it is alone", times(3 * ROUND, ROUND, first))
        first.close()
        in_order_of_keys(first, second)
        committed = client.committed(group)
        see("committed", committed)
        client.produce(topic, 4 * ROUND, 30)
        third = client.member(topic, group, assignor=assignor)
        other = client.member(topic, f"{group}-2", assignor=assignor)
        until("a new member goes on", lambda: have_seen(4 * ROUND, 30, third), [third])
        until("a second group has all", lambda: have_seen(0, 4 * ROUND + 30, other), [other])
        third.close()
        other.close()
        in_order_of_keys(third, other)
        see("seen by a new member", len(third.values))
        see("seen by a second group", len(other.values))
        check(committed == 4 * ROUND and len(third.values) == 30, f"committed {committed}, then {len(third.values)}")
        return f"{twice} read twice as the second came"

    return run


def static_members(client, see, describe=None, knows_fencing=True):
    """`describe` tells the instance ids of a group's members, where the client can. One that joins anew
    whatever it is told is not fenced: two with one name take it from each other for ever."""

    def run(topic):
        group = f"{topic}-group"
        client.create(topic, PARTITIONS)
        first = client.member(topic, group, instance="first", session_ms=20_000)
        until("the first has all", lambda: len(first.owned) == PARTITIONS, [first])
        second = client.member(topic, group, instance="second", session_ms=20_000)
        until("both share", lambda: len(first.owned) == 3 and len(second.owned) == 3, [first, second])
        before, assigned = set(second.owned), first.assigned
        client.produce(topic, 0, ROUND)
        until("both read", lambda: have_seen(0, ROUND, first, second), [first, second])
        # A static member that ends does not leave the group.
        second.close()
        client.produce(topic, ROUND, ROUND)
        again = client.member(topic, group, instance="second", session_ms=20_000)
        until("it comes back", lambda: len(again.owned) == 3 and have_seen(ROUND, ROUND, first, again), [first, again])
        see("the same partitions", before == again.owned)
        see("rebalances of the other", first.assigned - assigned)
        see("seen after its return", times(ROUND, ROUND, first, again))
        if describe is not None:
            see("instances", describe(group))
        if knows_fencing:
            twin = client.member(topic, group, instance="second", session_ms=20_000)
            until("the one before is fenced", lambda: again.failure is not None, [first, twin])
            see("fenced", client.name_of(again.failure))
            until("the new one has its place", lambda: len(twin.owned) == 3, [first, twin])
            twin.close()
        else:
            again.close()
        first.close()
        in_order_of_keys(first, second, again)
        return ""

    return run


def killed(client, see):
    def run(topic):
        group = f"{topic}-group"
        client.create(topic, PARTITIONS)
        first = client.member(topic, group, session_ms=SESSION_MS)
        until("the first has all", lambda: len(first.owned) == PARTITIONS, [first])
        environment = {**os.environ, "MEMBER_OF": group, "TOPIC": topic}
        words = [sys.executable, "-B", sys.argv[0]]
        child = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            its_own = set()

            def listen():
                for line in child.stdout:
                    its_own.add(int(line))

            threading.Thread(target=listen, daemon=True).start()
            until("both share", lambda: len(first.owned) == 3, [first])
            client.produce(topic, 0, ROUND)
            until("both read", lambda: len(set(first.values) | its_own) == ROUND, [first])
            check(its_own and not have_seen(0, ROUND, first), f"the other process has read {len(its_own)}")
            before = time.time()
            child.kill()
            until("it takes over", lambda: len(first.owned) == PARTITIONS, [first])
            ms = round((time.time() - before) * 1000)
            # The other one has committed nothing.
            until("it reads what the other had read", lambda: have_seen(0, ROUND, first), [first])
        finally:
            child.kill()
            child.wait()
        first.close()
        in_order_of_keys(first)
        see("committed", client.committed(group))
        check(SESSION_MS - 2_500 < ms < SESSION_MS + 9_000, f"taken over after {ms} ms")
        return f"taken over after {ms} ms"

    return run


def be_killed(member):
    """The process that is killed: a member that commits nothing and prints what it reads."""
    one = member(os.environ["TOPIC"], os.environ["MEMBER_OF"], session_ms=SESSION_MS, commits=False)
    told = 0
    while one.failure is None:
        time.sleep(0.02)
        while told < len(one.values):
            print(one.values[told], flush=True)
            told += 1
