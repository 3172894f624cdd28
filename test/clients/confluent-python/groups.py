"""Consumer groups of confluent-kafka."""

import re
import time

import group_flow
from confluent_kafka import (
    OFFSET_BEGINNING,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    ConsumerGroupType,
    KafkaException,
    TopicPartition,
)
from kit import admin, check, consumer, create, fill, in_order, outcome, producer, read, see, seen, wait

STRATEGIES = {"range": "range", "roundrobin": "roundrobin", "cooperative": "cooperative-sticky"}
# Whoever gets the partition reads them again.
COMMITS_IN_VAIN = {"REBALANCE_IN_PROGRESS", "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "_NO_OFFSET"}


class Member(group_flow.Member):
    def consume(self):
        client = consumer(**self.settings["config"])
        client.subscribe(
            [self.topic],
            on_assign=lambda _, partitions: self.note_assigned(each.partition for each in partitions),
            on_revoke=lambda _, partitions: self.note_revoked([each.partition for each in partitions]),
        )
        try:
            while not self.stopping:
                messages = client.consume(200, 0.1)
                for message in messages:
                    if message.error():
                        raise KafkaException(message.error())
                    self.values.append(int(message.value()))
                if messages and self.settings["commits"]:
                    self.commit(client)
        finally:
            client.close()

    def commit(self, client):
        try:
            client.commit(asynchronous=False)
        except KafkaException as error:
            if error.args[0].name() not in COMMITS_IN_VAIN:
                raise


class Flow:
    create = staticmethod(create)

    @staticmethod
    def produce(topic, first, count):
        client = producer()
        for value in range(first, first + count):
            client.produce(topic, str(value), key=group_flow.key_of(value))
        check(client.flush(20) == 0, "not all was delivered")

    @staticmethod
    def member(topic, group, assignor=None, instance=None, session_ms=None, commits=True):
        config = {"group_id": group}
        if assignor is not None:
            config["partition_assignment_strategy"] = STRATEGIES[assignor]
        if instance is not None:
            config["group_instance_id"] = instance
        if session_ms is not None:
            config |= {"session_timeout_ms": session_ms, "heartbeat_interval_ms": 1000}
        member = Member(topic, group, {"config": config, "commits": commits})
        member.start()
        return member

    @staticmethod
    def committed(group):
        return sum(offset for offset in offsets_of(group).values())

    @staticmethod
    def name_of(error):
        return error.args[0].name()


def offsets_of(group):
    [found] = wait(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
    return {each.partition: each.offset for each in found.topic_partitions if each.offset >= 0}


def instances(group):
    [described] = wait(admin.describe_consumer_groups([group]))
    return sorted(member.group_instance_id for member in described.members)


def group_consumer(group, **settings):
    return consumer(group_id=group, **settings)


def join(client, topic, partitions):
    """Polls until partitions are assigned. What it reads meanwhile counts as not read."""
    client.subscribe([topic])
    deadline = time.time() + 30
    while len(client.assignment()) < partitions and time.time() < deadline:
        client.poll(0.1)
    check(len(client.assignment()) == partitions, f"assigned {client.assignment()}")


def commit(client, topic, partition, offset, metadata=""):
    place = TopicPartition(topic, partition, offset, metadata)
    [answered] = client.commit(offsets=[place], asynchronous=False)
    if answered.error:
        raise KafkaException(answered.error)


def committed(client, topic, partition=0):
    [found] = client.committed([TopicPartition(topic, partition)], timeout=10)
    return f"{found.offset} {found.metadata}" if found.offset >= 0 else "none"


def commits(topic):
    create(topic, 2)
    fill(topic, 100)
    group = f"{topic}-group"
    client = group_consumer(group)
    join(client, topic, 2)
    see("before", committed(client, topic))
    commit(client, topic, 0, 42, "here")
    see("committed", committed(client, topic))
    client.commit(offsets=[TopicPartition(topic, 0, 43)], asynchronous=True)
    time.sleep(1)
    see("async", committed(client, topic))
    see("of the other", committed(client, topic, 1))
    see("long metadata", outcome(lambda: commit(client, topic, 0, 1, "x" * 5000)))
    see("unknown partition", outcome(lambda: commit(client, topic, 9, 1)))
    outsider = group_consumer(group)
    outsider.assign([TopicPartition(topic, 0)])
    see("from outside", outcome(lambda: commit(outsider, topic, 0, 1)))
    client.close()
    see("from outside when it is empty", outcome(lambda: commit(outsider, topic, 0, 44)))
    outsider.close()
    client = group_consumer(group)
    client.subscribe([topic])
    in_order(read(client, 56, 20), 44, 100)
    client.seek(TopicPartition(topic, 0, 90))
    in_order(read(client, 10), 90, 100)
    client.seek(TopicPartition(topic, 0, OFFSET_BEGINNING))
    in_order(read(client, 100), 0, 100)
    client.close()
    # By itself as it closes.
    client = group_consumer(group, enable_auto_commit=True)
    client.subscribe([topic])
    in_order(read(client, 56, 20), 44, 100)
    client.close()
    see("by itself", offsets_of(group))
    client = group_consumer(f"{group}-latest", auto_offset_reset="latest")
    join(client, topic, 2)
    check(not read(client, 1, 2), "nothing is new")
    commit(client, topic, 0, 100)
    client.close()
    client = group_consumer(f"{group}-none", auto_offset_reset="error")
    client.subscribe([topic])
    see("no reset", outcome(lambda: read(client, 1, 20)))
    client.close()
    client = group_consumer(group, max_poll_interval_ms=6000, session_timeout_ms=6000, heartbeat_interval_ms=1000)
    join(client, topic, 2)
    time.sleep(8)
    see("after too long a break", outcome(lambda: commit(client, topic, 0, 1)))
    client.close()
    check(seen["committed"] == "42 here" and seen["by itself"] == "{0: 100}", str(seen))
    return ""


def alter(group, *places):
    asked = [ConsumerGroupTopicPartitions(group, [TopicPartition(*place) for place in places])]

    def ask():
        [answered] = wait(admin.alter_consumer_group_offsets(asked))
        for each in answered.topic_partitions:
            if each.error:
                raise KafkaException(each.error)

    return outcome(ask)


def reset(topic):
    create(topic, 2)
    fill(topic, 100)
    group = f"{topic}-group"
    see("of a new group", alter(group, (topic, 0, 70), (topic, 1, 0)))
    see("offsets", offsets_of(group))
    client = group_consumer(group)
    client.subscribe([topic])
    in_order(read(client, 30, 20), 70, 100)
    see("while there are members", alter(group, (topic, 0, 0)))
    client.commit(asynchronous=False)
    client.close()
    see("read", offsets_of(group))
    see("back", alter(group, (topic, 0, 10)))
    see("unknown partition", alter(group, (topic, 9, 10)))
    client = group_consumer(group)
    client.subscribe([topic])
    in_order(read(client, 90, 20), 10, 100)
    client.close()
    check(seen["back"] == "ok" and seen["read"].startswith("{0: 100"), str(seen))
    return "no call for OffsetDelete"


def listed(group, **filters):
    found = admin.list_consumer_groups(**filters).result(10)
    return [f"{each.state.name} {each.type and each.type.name} {each.is_simple_consumer_group}" for each in found.valid
            if each.group_id == group]


def described(group):
    [of] = wait(admin.describe_consumer_groups([group]))
    nodes = [node.id for node in admin.describe_cluster().result(10).nodes]
    members = [
        f"{member.client_id} {member.host} {bool(re.fullmatch('reader-[0-9a-f-]{36}', member.member_id))} "
        f"{sorted(each.partition for each in member.assignment.topic_partitions)}"
        for member in of.members
    ]
    known = of.coordinator.id in nodes
    return f"{of.state.name} '{of.partition_assignor}' {of.is_simple_consumer_group} coordinator {known} {members}"


def admin_groups(topic):
    create(topic, 4)
    fill(topic, 10)
    group = f"{topic}-group"
    client = group_consumer(group, client_id="reader")
    join(client, topic, 4)
    commit(client, topic, 0, 5)
    see("listed", listed(group))
    see("listed as stable", listed(group, states={ConsumerGroupState.STABLE}))
    see("listed as empty", listed(group, states={ConsumerGroupState.EMPTY}))
    see("listed as classic", listed(group, types={ConsumerGroupType.CLASSIC}))
    see("described", described(group))
    see("in the old call", [f"{each.state} {each.protocol} {len(each.members)}" for each in admin.list_groups(group, 10)])
    see("delete when somebody is in it", outcome(lambda: wait(admin.delete_consumer_groups([group]))))
    client.close()
    see("empty", described(group))
    see("offsets", offsets_of(group))
    see("offsets of an unknown group", offsets_of(f"{group}-none"))
    see("unknown", outcome(lambda: see("described as", described(f"{group}-none"))))
    see("delete", outcome(lambda: wait(admin.delete_consumer_groups([group]))))
    see("gone", outcome(lambda: see("then described as", described(group))))
    see("offsets then", offsets_of(group))
    see("listed then", listed(group))
    see("delete again", outcome(lambda: wait(admin.delete_consumer_groups([group]))))
    check(seen["delete"] == "ok" and seen["delete again"] == "GROUP_ID_NOT_FOUND", str(seen))
    return ""


GROUP_SCENARIOS = {
    **{f"group-{assignor}": group_flow.members(Flow, see, assignor) for assignor in STRATEGIES},
    "group-static": group_flow.static_members(Flow, see, instances),
    "group-killed": group_flow.killed(Flow, see),
    "group-commits": commits,
    "group-reset": reset,
    "group-admin": admin_groups,
}


def be_killed():
    group_flow.be_killed(Flow.member)
