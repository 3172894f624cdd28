"""Consumer groups of kafka-python."""

import re

import __main__ as main
import group_flow
from group_flow import check
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.structs import OffsetAndMetadata, TopicPartition

ASSIGNORS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "cooperative": CooperativeStickyAssignor,
}
# Whoever gets the partition reads them again.
COMMITS_IN_VAIN = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)


class Listener(ConsumerRebalanceListener):
    def __init__(self, member):
        self.member = member

    def on_partitions_assigned(self, assigned):
        self.member.note_assigned(each.partition for each in assigned)

    def on_partitions_revoked(self, revoked):
        self.member.note_revoked([each.partition for each in revoked])

    def on_partitions_lost(self, lost):
        self.on_partitions_revoked(lost)


def know(client, topic):
    """A leader that joins before it has metadata assigns nothing, and never again (3.0.12). A coordinator that makes the
    first member wait, as Kafka's does for three seconds, hides that."""
    client.partitions_for_topic(topic)


class Member(group_flow.Member):
    def consume(self):
        client = main.consumer(**self.settings["config"])
        know(client, self.topic)
        client.subscribe([self.topic], listener=Listener(self))
        try:
            while not self.stopping:
                polled = client.poll(timeout_ms=100)
                for records in polled.values():
                    self.values.extend(int(record.value) for record in records)
                if polled and self.settings["commits"]:
                    try:
                        client.commit()
                    except COMMITS_IN_VAIN:
                        pass
        finally:
            client.close()


class Flow:
    @staticmethod
    def create(topic, partitions):
        main.create(topic, partitions)

    @staticmethod
    def produce(topic, first, count):
        client = main.producer()
        for value in range(first, first + count):
            client.send(topic, str(value).encode(), key=group_flow.key_of(value))
        client.flush()
        client.close()

    @staticmethod
    def member(topic, group, assignor=None, instance=None, session_ms=None, commits=True):
        config = {"group_id": group}
        if assignor is not None:
            config["partition_assignment_strategy"] = [ASSIGNORS[assignor]]
        if instance is not None:
            config["group_instance_id"] = instance
        if session_ms is not None:
            config |= {"session_timeout_ms": session_ms, "heartbeat_interval_ms": 1000}
        member = Member(topic, group, {"config": config, "commits": commits})
        member.start()
        return member

    @staticmethod
    def committed(group):
        return sum(offsets_of(group).values())

    @staticmethod
    def name_of(error):
        return type(error).__name__


def offsets_of(group):
    found = main.admin.list_group_offsets({group: None})[group]
    return {each.partition: of.offset for each, of in sorted(found.items()) if of.offset >= 0}


def instances(group):
    described = main.admin.describe_groups([group])[group]
    return sorted(member["group_instance_id"] for member in described["members"])


def raise_first(errors):
    for error in errors:
        if error.__name__ != "NoError":
            raise error


def first_error(errors):
    """Of the call that answers with the names of errors."""
    return next((error for error in errors if error not in ("NoError", "OK")), "ok")


def alter(group, topic, partition, offset):
    offsets = {TopicPartition(topic, partition): OffsetAndMetadata(offset, "set", -1)}
    return main.outcome(lambda: raise_first(main.admin.alter_group_offsets(group, offsets).values()))


def delete_offsets(group, topic):
    return main.outcome(
        lambda: raise_first(main.admin.delete_group_offsets(group, [TopicPartition(topic, 0)]).values())
    )


def delete(group):
    return first_error(main.admin.delete_groups([group]).values())


def subscribed(group, topic, **settings):
    client = main.consumer(group_id=group, **settings)
    know(client, topic)
    client.subscribe([topic])
    return client


def commit(client, topic, partition, offset, metadata=""):
    client.commit({TopicPartition(topic, partition): OffsetAndMetadata(offset, metadata, -1)}, timeout_ms=5000)


def commits(topic):
    see, outcome = main.see, main.outcome
    main.create(topic, 2)
    main.fill(topic, 100)
    group = f"{topic}-group"
    zero = TopicPartition(topic, 0)
    client = subscribed(group, topic)
    main.in_order(main.read(client, 100, 20), 0, 100)
    see("before", client.committed(zero))
    commit(client, topic, 0, 42, "here")
    found = client.committed(zero, metadata=True)
    see("committed", f"{found.offset} {found.metadata}")
    see("of the other", client.committed(TopicPartition(topic, 1)))
    see("long metadata", outcome(lambda: commit(client, topic, 0, 1, "x" * 5000)))
    outsider = main.consumer(group_id=group)
    outsider.assign([zero])
    see("from outside", outcome(lambda: commit(outsider, topic, 0, 1)))
    client.close()
    see("from outside when it is empty", outcome(lambda: commit(outsider, topic, 0, 44)))
    outsider.close()
    client = subscribed(group, topic)
    main.in_order(main.read(client, 56, 20), 44, 100)
    client.seek(zero, 90)
    main.in_order(main.read(client, 10), 90, 100)
    client.seek_to_beginning(zero)
    main.in_order(main.read(client, 100), 0, 100)
    client.close(autocommit=False)
    # By itself as it closes.
    client = subscribed(group, topic, enable_auto_commit=True)
    main.in_order(main.read(client, 56, 20), 44, 100)
    client.close()
    see("by itself", offsets_of(group).get(0))
    client = subscribed(f"{group}-latest", topic, auto_offset_reset="latest")
    check(not main.read(client, 1, 6), "nothing is new")
    see("latest", client.position(zero))
    client.close()
    client = subscribed(f"{group}-none", topic, auto_offset_reset="none")
    see("no reset", outcome(lambda: main.read(client, 1, 10)))
    client.close()
    check(main.seen["committed"] == "42 here" and main.seen["by itself"] == "100", str(main.seen))
    return ""


def reset(topic):
    see = main.see
    main.create(topic, 2)
    main.fill(topic, 100)
    group = f"{topic}-group"
    see("of a new group", alter(group, topic, 0, 70))
    see("offsets", offsets_of(group))
    client = subscribed(group, topic)
    main.in_order(main.read(client, 30, 20), 70, 100)
    see("while there are members", alter(group, topic, 0, 0))
    see("delete while it is subscribed", delete_offsets(group, topic))
    client.close()
    see("back", alter(group, topic, 0, 10))
    see("unknown partition", alter(group, topic, 9, 10))
    client = subscribed(group, topic)
    main.in_order(main.read(client, 90, 20), 10, 100)
    client.close()
    see("delete", delete_offsets(group, topic))
    see("after", offsets_of(group))
    see("delete of an unknown group", delete_offsets(f"{group}-none", topic))
    client = subscribed(group, topic)
    main.in_order(main.read(client, 100, 20), 0, 100)
    client.close()
    check(main.seen["back"] == "ok" and main.seen["delete"] == "ok", str(main.seen))
    return ""


def listed(group, **filters):
    found = main.admin.list_groups(**filters)
    names = ["protocol_type", "group_state", "group_type"]
    return [[each.get(name) for name in names] for each in found if each["group_id"] == group]


def described(group):
    of = main.admin.describe_groups([group])[group]
    members = [
        f"{member['client_id']} {member['client_host']} {bool(re.fullmatch('reader-[0-9a-f-]{36}', member['member_id']))}"
        for member in of["members"]
    ]
    error = str(of["error"]).replace(group, "GROUP")
    return f"{error} {of['group_state']} {of['protocol_type']} {of['protocol_data']} {members}"


def admin_groups(topic):
    see, outcome = main.see, main.outcome
    main.create(topic, 4)
    main.fill(topic, 10)
    group = f"{topic}-group"
    client = subscribed(group, topic, client_id="reader")
    main.in_order(main.read(client, 10, 20), 0, 10)
    commit(client, topic, 0, 5)
    see("listed", listed(group))
    see("listed as stable", listed(group, states_filter=["Stable"]))
    see("listed as empty", listed(group, states_filter=["Empty"]))
    see("listed as classic", listed(group, types_filter=["classic"]))
    see("described", described(group))
    see("delete when somebody is in it", delete(group))
    client.close()
    see("empty", described(group))
    see("offsets", offsets_of(group))
    see("offsets of an unknown group", offsets_of(f"{group}-none"))
    see("unknown", outcome(lambda: see("described as", described(f"{group}-none"))))
    see("delete", delete(group))
    see("gone", outcome(lambda: see("then described as", described(group))))
    see("offsets then", offsets_of(group))
    see("listed then", listed(group))
    see("delete again", delete(group))
    check(main.seen["delete"] == "ok" and main.seen["delete again"] == "GroupIdNotFoundError", str(main.seen))
    return ""


def group_scenarios():
    return {
        **{f"group-{assignor}": group_flow.members(Flow, main.see, assignor) for assignor in ASSIGNORS},
        "group-static": group_flow.static_members(Flow, main.see, instances, knows_fencing=False),
        "group-killed": group_flow.killed(Flow, main.see),
        "group-commits": commits,
        "group-reset": reset,
        "group-admin": admin_groups,
    }


def be_killed():
    group_flow.be_killed(Flow.member)
