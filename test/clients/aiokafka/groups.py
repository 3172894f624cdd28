"""Consumer groups of aiokafka. What members go through runs in a thread, and members have loops of their own."""

import asyncio
import re

import __main__ as main
import group_flow
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError
from aiokafka.structs import OffsetAndMetadata
from group_flow import check

ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}
# Whoever gets the partition reads them again.
COMMITS_IN_VAIN = (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError)


class Listener(ConsumerRebalanceListener):
    def __init__(self, member):
        self.member = member

    async def on_partitions_assigned(self, assigned):
        self.member.note_assigned(each.partition for each in assigned)

    async def on_partitions_revoked(self, revoked):
        self.member.note_revoked([each.partition for each in revoked])


class Member(group_flow.Member):
    def consume(self):
        asyncio.run(self.consume_in_loop())

    async def consume_in_loop(self):
        async with main.consumer(**self.settings["config"]) as client:
            client.subscribe([self.topic], listener=Listener(self))
            while not self.stopping:
                polled = await client.getmany(timeout_ms=100)
                for records in polled.values():
                    self.values.extend(int(record.value) for record in records)
                if polled and self.settings["commits"]:
                    try:
                        await client.commit()
                    except COMMITS_IN_VAIN:
                        pass


class Flow:
    """`run` does on the main loop what is asked in the thread."""

    def __init__(self, run):
        self.run = run

    def create(self, topic, partitions):
        self.run(main.create(topic, partitions))

    def produce(self, topic, first, count):
        async def send_all():
            async with main.producer() as client:
                values = range(first, first + count)
                sent = [await client.send(topic, str(i).encode(), key=group_flow.key_of(i)) for i in values]
                await asyncio.gather(*sent)

        self.run(send_all())

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

    def committed(self, group):
        return sum(self.run(offsets_of(group)).values())

    @staticmethod
    def name_of(error):
        return type(error).__name__


async def offsets_of(group):
    found = await main.admin.list_consumer_group_offsets(group)
    return {each.partition: of.offset for each, of in sorted(found.items()) if of.offset >= 0}


def in_thread(scenario):
    """What a scenario of the flow is for the program."""

    async def run(topic):
        loop = asyncio.get_running_loop()
        flow = Flow(lambda awaitable: asyncio.run_coroutine_threadsafe(awaitable, loop).result(60))
        return await asyncio.to_thread(scenario(flow), topic)

    return run


def without(why):
    async def run(_topic):
        raise main.NotApplicable(why)

    return run


def subscribed(group, topic, **settings):
    opened = main.consumer(group_id=group, **settings)
    opened.client.subscribe([topic])
    return opened


async def commit(client, topic, partition, offset, metadata=""):
    await client.commit({TopicPartition(topic, partition): OffsetAndMetadata(offset, metadata)})


async def commits(topic):
    see, outcome = main.see, main.outcome
    await main.create(topic, 2)
    await main.fill(topic, 100)
    group = f"{topic}-group"
    zero = TopicPartition(topic, 0)
    async with main.consumer(group_id=group) as outsider:
        outsider.assign([zero])
        async with subscribed(group, topic) as client:
            main.in_order(await main.read(client, 100), 0, 100)
            see("before", await client.committed(zero))
            await commit(client, topic, 0, 42, "here")
            see("committed", await client.committed(zero))
            see("of the other", await client.committed(TopicPartition(topic, 1)))
            see("long metadata", await outcome(commit(client, topic, 0, 1, "x" * 5000)))
            see("from outside", await outcome(commit(outsider, topic, 0, 1)))
        see("from outside when it is empty", await outcome(commit(outsider, topic, 0, 44)))
    async with subscribed(group, topic) as client:
        main.in_order(await main.read(client, 56), 44, 100)
        client.seek(zero, 90)
        main.in_order(await main.read(client, 10), 90, 100)
        await client.seek_to_beginning(zero)
        main.in_order(await main.read(client, 100), 0, 100)
    # By itself as it stops.
    async with subscribed(group, topic, enable_auto_commit=True) as client:
        main.in_order(await main.read(client, 56), 44, 100)
    see("by itself", await offsets_of(group))
    async with subscribed(f"{group}-latest", topic, auto_offset_reset="latest") as client:
        check(not await main.read(client, 1, 6), "nothing is new")
        see("latest", await client.position(zero))
    async with subscribed(f"{group}-none", topic, auto_offset_reset="none") as client:
        see("no reset", await outcome(main.read(client, 1)))
    check(main.seen["committed"] == "42" and main.seen["by itself"].startswith("{0: 100"), str(main.seen))
    return ""


async def reset(topic):
    await main.create(topic, 1)
    await main.fill(topic, 100)
    group = f"{topic}-group"
    zero = TopicPartition(topic, 0)
    for first in [70, 10]:
        async with main.consumer(group_id=group) as outsider:
            outsider.assign([zero])
            await commit(outsider, topic, 0, first)
        async with subscribed(group, topic) as client:
            main.in_order(await main.read(client, 100 - first), first, 100)
            await client.commit()
        main.see(f"after {first}", await offsets_of(group))
    return "by commits; no call for OffsetDelete"


async def listed(group):
    return [each for each in await main.admin.list_consumer_groups() if each[0] == group]


async def described(group):
    [response] = await main.admin.describe_consumer_groups([group])
    error, _, state, protocol_type, protocol, members = response.groups[0][:6]
    found = [f"{each[1]} {each[2]} {bool(re.fullmatch('reader-[0-9a-f-]{36}', each[0]))}" for each in members]
    return f"{error} {state} {protocol_type} {protocol} {found}"


async def admin_groups(topic):
    see = main.see
    await main.create(topic, 4)
    await main.fill(topic, 10)
    group = f"{topic}-group"
    async with subscribed(group, topic, client_id="reader") as client:
        main.in_order(await main.read(client, 10), 0, 10)
        await commit(client, topic, 0, 5)
        see("listed", len(await listed(group)))
        see("described", await described(group))
    see("empty", await described(group))
    see("offsets", await offsets_of(group))
    see("offsets of an unknown group", await offsets_of(f"{group}-none"))
    see("unknown", await described(f"{group}-none"))
    return "no call for DeleteGroups"


def group_scenarios():
    return {
        **{
            f"group-{assignor}": in_thread(lambda flow, assignor=assignor: group_flow.members(flow, main.see, assignor))
            for assignor in ASSIGNORS
        },
        "group-cooperative": without("no cooperative assignor"),
        "group-static": in_thread(lambda flow: group_flow.static_members(flow, main.see, knows_fencing=False)),
        "group-killed": in_thread(lambda flow: group_flow.killed(flow, main.see)),
        "group-commits": commits,
        "group-reset": reset,
        "group-admin": admin_groups,
    }


def be_killed():
    group_flow.be_killed(Flow.member)
