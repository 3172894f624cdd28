"""aiokafka."""

import asyncio
import hashlib
import json
import os
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code
from groups import be_killed, group_scenarios

BOOTSTRAP = os.environ["BOOTSTRAP"]
BASE = int(time.time() * 1000) - 3_600_000
COMMON = {"bootstrap_servers": BOOTSTRAP, "metadata_max_age_ms": 1000}
seen = {}
admin = None


class NotApplicable(Exception):
    pass


def check(holds, what):
    if not holds:
        raise AssertionError(what)


def see(key, value):
    seen[key] = str(value)


def raise_for(code):
    """Answers of its admin client are the broker's, with the codes of errors in them."""
    if code != 0:
        raise for_code(code)


async def outcome(awaitable):
    """ "ok", or the name of the error."""
    try:
        await awaitable
        return "ok"
    except KafkaError as error:
        return type(error).__name__


async def settle(expected, ask):
    """Asks until the answer is this one, at most five seconds: admin answers may come before brokers know."""
    for _ in range(50):
        last = await ask()
        if last == expected:
            break
        await asyncio.sleep(0.1)
    return last


async def creating(topic, partitions, replicas=1, **configs):
    config = {key.replace("_", "."): value for key, value in configs.items()}
    new = NewTopic(topic, partitions, replicas, topic_configs=config)
    for error in (await admin.create_topics([new])).topic_errors:
        raise_for(error[1])


async def described(topic):
    """How many partitions it has, or the name of the error."""
    found = (await admin.describe_topics([topic]))[0]
    error = for_code(found["error_code"]).__name__
    return f"{len(found['partitions'])} partitions" if found["error_code"] == 0 else error


async def create(topic, partitions, **configs):
    await creating(topic, partitions, **configs)
    await settle(f"{partitions} partitions", lambda: described(topic))


class Opened:
    """Starts a client, and stops it in the end."""

    def __init__(self, client):
        self.client = client

    async def __aenter__(self):
        await self.client.start()
        return self.client

    async def __aexit__(self, *_):
        await (self.client.close() if isinstance(self.client, AIOKafkaAdminClient) else self.client.stop())


def producer(**settings):
    return Opened(AIOKafkaProducer(**COMMON, **settings))


def consumer(**settings):
    defaults = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "fetch_max_wait_ms": 200}
    return Opened(AIOKafkaConsumer(**COMMON, **{**defaults, **settings}))


def numbered(i, partitions):
    value = {3: None, 4: b""}.get(i % 7, f"value-{i}-{'x' * (i % 50 * 10)}".encode())
    headers = [] if i % 3 == 0 else [("a", f"h{i}".encode()), ("a", b"again"), ("b", b"")]
    key = None if i % 5 == 0 else f"key-{i}".encode()
    if key is None and value is None:
        value = b"it refuses a record with neither"
    return {
        "partition": i % partitions,
        "key": key,
        "value": value,
        "headers": headers,
        "timestamp_ms": BASE + i * 1000,
    }


async def fill(topic, count):
    """Values "0", "1", … on partition 0, a second apart."""
    async with producer() as client:
        sent = [
            await client.send(topic, str(i).encode(), partition=0, timestamp_ms=BASE + i * 1000)
            for i in range(count)
        ]
        await asyncio.gather(*sent)


async def read(client, count, seconds=10):
    """Reads until there are so many, or the time is over."""
    found, deadline = [], time.time() + seconds
    while len(found) < count and time.time() < deadline:
        for records in (await client.getmany(timeout_ms=200)).values():
            found.extend(records)
    return found


async def read_all(topic, partitions, count):
    async with consumer() as client:
        client.assign([TopicPartition(topic, partition) for partition in range(partitions)])
        return await read(client, count)


def in_order(records, first, last):
    check(len(records) == last - first, f"{len(records)} records of {last - first}")
    for i, record in enumerate(records, first):
        check(record.value == str(i).encode(), f"record {i} is {record.value}")


def roundtrip(codec):
    async def run(topic):
        await create(topic, 12)
        sent = [numbered(i, 12) for i in range(240)]
        async with producer(compression_type=codec, acks="all", linger_ms=50) as client:
            places = await asyncio.gather(*[await client.send(topic, **record) for record in sent])
        expected = {(place.partition, place.offset): record for place, record in zip(places, sent, strict=True)}
        records = await read_all(topic, 12, 240)
        check(len(records) == 240 == len(expected), f"{len(records)} records of 240 came back")
        for record in records:
            found = {
                "partition": record.partition,
                "key": record.key,
                "value": record.value,
                "headers": list(record.headers),
                "timestamp_ms": record.timestamp,
            }
            wanted = expected[(record.partition, record.offset)]
            check(found == wanted, f"{found} instead of {wanted}")
        return ""

    return run


async def partitioner(topic):
    await create(topic, 12)
    async with producer() as client:
        places = [await client.send_and_wait(topic, b"v", key=f"key-{i}".encode()) for i in range(100)]
    partitions = " ".join(str(place.partition) for place in places)
    see("partitions", hashlib.md5(partitions.encode()).hexdigest()[:8])
    return f"keys {seen['partitions']}"


async def acks(topic):
    await create(topic, 1)
    for level in [0, 1, "all"]:
        async with producer(acks=level) as client:
            for i in range(20):
                await client.send_and_wait(topic, f"{level}{i}".encode())
    found = len(await read_all(topic, 1, 60))
    check(found == 60, f"{found} records of 60")
    return ""


async def idempotent(topic):
    await create(topic, 1)
    async with producer(enable_idempotence=True, max_batch_size=300) as client:
        await asyncio.gather(*[await client.send(topic, str(i).encode()) for i in range(2000)])
    in_order(await read_all(topic, 1, 2000), 0, 2000)
    return ""


async def large(topic):
    await create(topic, 1, max_message_bytes="2097152")
    async with producer(max_request_size=8_000_000) as client:
        for size in [1_048_576, 2_000_000]:
            await client.send_and_wait(topic, bytes(size))
        see("too large", await outcome(client.send_and_wait(topic, bytes(3_000_000))))
    sizes = [len(record.value) for record in await read_all(topic, 1, 2)]
    check(sizes == [1_048_576, 2_000_000], f"sizes {sizes}")
    check(seen["too large"] == "MessageSizeTooLargeError", str(seen))
    return ""


async def offsets(topic):
    await create(topic, 1)
    await fill(topic, 99)
    async with producer() as client:
        await client.send_and_wait(topic, b"late", timestamp_ms=BASE)
    partition = TopicPartition(topic, 0)
    async with consumer() as client:
        see("earliest", (await client.beginning_offsets([partition]))[partition])
        see("latest", (await client.end_offsets([partition]))[partition])
        for after in [50_000, 50_001, 500_000]:
            found = (await client.offsets_for_times({partition: BASE + after}))[partition]
            see(f"at {after}", found and f"{found.offset} +{found.timestamp - BASE}")
    check(seen["latest"] == "100" and seen["at 50001"] == "51 +51000", str(seen))
    return "no call for the greatest timestamp"


async def seek(topic):
    await create(topic, 1)
    await fill(topic, 100)
    partition = TopicPartition(topic, 0)
    async with consumer() as client:
        client.assign([partition])
        client.seek(partition, 50)
        in_order(await read(client, 50), 50, 100)
        client.seek(partition, 5000)
        in_order(await read(client, 100), 0, 100)
    async with consumer(auto_offset_reset="none") as client:
        client.assign([partition])
        client.seek(partition, 5000)
        see("out of range", await outcome(read(client, 1)))
    check(seen["out of range"] == "OffsetOutOfRangeError", str(seen))
    return ""


async def long_poll(topic):
    await create(topic, 1)
    await fill(topic, 1)
    async with producer() as sender, consumer(fetch_max_wait_ms=2000) as client:
        await sender.partitions_for(topic)
        client.assign([TopicPartition(topic, 0)])
        check(len(await read(client, 1)) == 1, "the first record")
        before = time.time()
        check(not await client.getmany(timeout_ms=300), "nothing to read")
        check(time.time() - before < 2, "an empty poll took too long")
        waiting = asyncio.ensure_future(read(client, 1))
        await asyncio.sleep(0.7)
        sent = time.time()
        await sender.send(topic, b"now")
        check(len(await waiting) == 1, "the record that was waited for")
        ms = round((time.time() - sent) * 1000)
    check(ms < 500, f"it came after {ms} ms")
    return f"{ms} ms"


async def admin_topics(topic):
    await create(topic, 3, retention_ms="3600000")
    see("listed", topic in await admin.list_topics())
    see("described", await described(topic))
    see("again", await outcome(creating(topic, 1)))
    see("0 partitions", await outcome(creating(f"{topic}-0", 0)))
    see("defaults", await outcome(creating(f"{topic}-d", -1, -1)))
    see("9 replicas", await outcome(creating(f"{topic}-9", 1, 9)))
    see("bad name", await outcome(creating("a/b", 1)))
    see("bad config", await outcome(creating(f"{topic}-c", 1, retention_ms="soon")))
    see("unknown config", await outcome(creating(f"{topic}-u", 1, no_such="1")))

    async def grow(count):
        for error in (await admin.create_partitions({topic: NewPartitions(count)})).topic_errors:
            raise_for(error[1])

    async def delete():
        for error in (await admin.delete_topics([topic])).topic_error_codes:
            raise_for(error[1])

    see("more partitions", await outcome(grow(5)))
    see("fewer partitions", await outcome(grow(2)))
    see("partitions", await settle("5 partitions", lambda: described(topic)))
    see("delete", await outcome(delete()))
    see("delete again", await outcome(delete()))
    check(seen["again"] == "TopicAlreadyExistsError" and seen["partitions"] == "5 partitions", str(seen))
    return ""


async def admin_configs(topic):
    await create(topic, 1, retention_ms="3600000")
    names = ["cleanup.policy", "max.message.bytes", "retention.ms"]

    def resource(name, configs=None):
        return ConfigResource(ConfigResourceType.TOPIC, name, configs)

    async def describe():
        answers = await admin.describe_configs([resource(topic, dict.fromkeys(names))])
        code, _, _, _, entries = answers[0].resources[0]
        raise_for(code)
        return ", ".join(sorted(f"{entry[0]}={entry[1]} {entry[3]}" for entry in entries))

    async def altering(name, **configs):
        config = {key.replace("_", "."): value for key, value in configs.items()}
        for answer in await admin.alter_configs([resource(name, config)]):
            raise_for(answer.resources[0][0])

    see("created", await describe())
    see("old alter", await outcome(altering(topic, max_message_bytes="2000000")))
    replaced = "cleanup.policy=delete 5, max.message.bytes=2000000 1, retention.ms=604800000 5"
    see("replaced", await settle(replaced, describe))
    see("bad value", await outcome(altering(topic, retention_ms="soon")))
    see("unknown topic", await outcome(altering(f"{topic}-none", retention_ms="1")))
    return ""


async def admin_records(topic):
    await create(topic, 1)
    await fill(topic, 100)
    partition = TopicPartition(topic, 0)

    async def delete(before):
        return (await admin.delete_records({partition: RecordsToDelete(before_offset=before)}))[partition]

    see("low watermark", await delete(40))
    see("beyond the end", await outcome(delete(500)))
    in_order(await read_all(topic, 1, 60), 40, 100)
    check(seen["low watermark"] == "40", str(seen))
    return ""


async def admin_cluster(_topic):
    cluster = await admin.describe_cluster()
    nodes = [broker["node_id"] for broker in cluster["brokers"]]
    see("nodes", len(nodes))
    see("controller is a node", cluster["controller_id"] in nodes)
    check(cluster["cluster_id"], "no cluster id")
    return "no call for DescribeLogDirs"


async def auto_create(topic):
    async with producer() as client:
        see("allowed", await outcome(client.send_and_wait(topic, b"v")))
    see("exists at the end", topic in await admin.list_topics())
    return "it asks for topics in no other way"


async def recreate(topic):
    await create(topic, 1)
    await fill(topic, 10)
    async with consumer() as client:
        client.assign([TopicPartition(topic, 0)])
        in_order(await read(client, 10), 0, 10)
        await admin.delete_topics([topic])
        await outcome(read(client, 1, seconds=2))
        # It asks for Metadata 5, which makes a topic where that is allowed: it may be there again already.
        again = await outcome(creating(topic, 1))
        check(again in ["ok", "TopicAlreadyExistsError"], again)
        await settle("1 partitions", lambda: described(topic))
        await fill(topic, 5)
        # Its position is 10, and the partition ends at 5: the reset policy takes it to the beginning.
        in_order(await read(client, 5), 0, 5)
    return ""


async def main():
    global admin
    scenarios = {f"roundtrip-{codec}": roundtrip(codec) for codec in ["gzip", "snappy", "lz4", "zstd"]}
    scenarios["roundtrip-none"] = roundtrip(None)
    for run in [partitioner, acks, idempotent, large, offsets, seek, long_poll, auto_create, recreate]:
        scenarios[run.__name__.replace("_", "-")] = run
    for run in [admin_topics, admin_configs, admin_records, admin_cluster]:
        scenarios[run.__name__.replace("_", "-")] = run
    scenarios.update(group_scenarios())
    async with Opened(AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)) as admin:
        for name in os.environ["SCENARIO"].split(","):
            seen.clear()
            line = {"scenario": name, "ok": False}
            try:
                line["detail"] = await scenarios[name](f"{os.environ['RUN']}-{name}")
                line["ok"] = True
            except NotApplicable as error:
                line["na"] = str(error)
            except Exception as error:  # noqa: BLE001  whatever it is, the next scenario runs
                line["detail"] = f"{type(error).__name__}: {error}"
            print(json.dumps({**line, "seen": seen}), flush=True)


if __name__ == "__main__":
    if "MEMBER_OF" in os.environ:
        be_killed()
    asyncio.run(main())
