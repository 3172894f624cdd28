"""confluent-kafka for Python: librdkafka."""

import hashlib
import json
import os
import threading
import time

from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)
from groups import GROUP_SCENARIOS, be_killed
from kit import (
    BASE,
    NotApplicable,
    admin,
    check,
    consumer,
    create,
    fill,
    in_order,
    numbered,
    outcome,
    producer,
    read,
    read_all,
    see,
    seen,
    send,
    settle,
    wait,
)


def roundtrip(codec):
    def run(topic):
        create(topic, 12)
        expected = {}

        def delivered(record):
            def note(error, message):
                check(error is None, str(error))
                expected[(message.partition(), message.offset())] = record

            return note

        client = producer(compression_type=codec, linger_ms=50)
        for i in range(240):
            record = numbered(i, 12)
            client.produce(topic, on_delivery=delivered(record), **record)
        client.flush(20)
        messages = read_all(topic, 12, 240)
        check(len(messages) == 240 == len(expected), f"{len(messages)} records of 240 came back")
        for message in messages:
            place = (message.partition(), message.offset())
            found = {
                "partition": message.partition(),
                "key": message.key(),
                "value": message.value(),
                "headers": message.headers() or [],
                "timestamp": message.timestamp()[1],
            }
            check(found == expected[place], f"{place} is {found} instead of {expected[place]}")
        return ""

    return run


def partitioner(topic):
    create(topic, 12)
    client = producer()
    partitions = [send(client, topic, key=f"key-{i}", value="v").partition() for i in range(100)]
    see("partitions", hashlib.md5(" ".join(map(str, partitions)).encode()).hexdigest()[:8])
    client = producer(partitioner="murmur2_random")
    partitions = [send(client, topic, key=f"key-{i}", value="v").partition() for i in range(100)]
    see("as in Java", hashlib.md5(" ".join(map(str, partitions)).encode()).hexdigest()[:8])
    return f"keys {seen['partitions']}, murmur2 {seen['as in Java']}"


def acks(topic):
    create(topic, 1)
    for name in ["0", "1", "all"]:
        client = producer(acks=name)
        for i in range(20):
            client.produce(topic, f"{name}{i}")
        check(client.flush(10) == 0, "not all was delivered")
    found = len(read_all(topic, 1, 60))
    check(found == 60, f"{found} records of 60")
    return ""


def idempotent(topic):
    create(topic, 1)
    settings = {"max_in_flight_requests_per_connection": 5, "batch_num_messages": 10, "linger_ms": 0}
    client = producer(enable_idempotence=True, **settings)
    for i in range(2000):
        client.produce(topic, str(i))
    check(client.flush(20) == 0, "not all was delivered")
    in_order(read_all(topic, 1, 2000), 0, 2000)
    return ""


def large(topic):
    create(topic, 1, max_message_bytes="2097152")
    client = producer(message_max_bytes=8_000_000)
    for size in [1_048_576, 2_000_000]:
        send(client, topic, value=bytes(size))
    see("too large", outcome(lambda: send(client, topic, value=bytes(3_000_000))))
    sizes = [len(message.value()) for message in read_all(topic, 1, 2)]
    check(sizes == [1_048_576, 2_000_000], f"sizes {sizes}")
    check(seen["too large"] == "MSG_SIZE_TOO_LARGE", str(seen))
    return ""


def offsets(topic):
    create(topic, 1)
    fill(topic, 99)
    send(producer(), topic, value=b"late", timestamp=BASE)
    client = consumer()
    see("watermarks", client.get_watermark_offsets(TopicPartition(topic, 0), timeout=10))
    for after in [50_000, 50_001, 500_000]:
        found = client.offsets_for_times([TopicPartition(topic, 0, BASE + after)], timeout=10)[0]
        see(f"at {after}", found.error or found.offset)
    client.close()
    specs = {"earliest": OffsetSpec.earliest(), "latest": OffsetSpec.latest(), "max": OffsetSpec.max_timestamp()}
    for name, spec in specs.items():
        partition = TopicPartition(topic, 0)
        found = admin.list_offsets({partition: spec})[partition].result(10)
        see(f"admin {name}", f"{found.offset} {found.timestamp - BASE if found.timestamp > 0 else ''}")
    missing = TopicPartition(topic, 9)
    see("unknown", outcome(lambda: admin.list_offsets({missing: OffsetSpec.latest()})[missing].result(10)))
    check(seen["watermarks"] == "(0, 100)" and seen["at 50001"] == "51", str(seen))
    check(seen["admin max"] == "98 98000", str(seen))
    return ""


def seek(topic):
    create(topic, 1)
    fill(topic, 100)
    client = consumer()
    client.assign([TopicPartition(topic, 0, 50)])
    in_order(read(client, 50), 50, 100)
    client.seek(TopicPartition(topic, 0, 5000))
    in_order(read(client, 100), 0, 100)
    client.close()
    client = consumer(auto_offset_reset="error")
    client.assign([TopicPartition(topic, 0, 5000)])
    see("out of range", outcome(lambda: read(client, 1)))
    client.close()
    check(seen["out of range"] == "_AUTO_OFFSET_RESET", str(seen))
    return ""


def long_poll(topic):
    create(topic, 1)
    sender = producer(linger_ms=0)
    send(sender, topic, value=b"first")
    client = consumer(fetch_wait_max_ms=2000)
    client.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    check(len(read(client, 1)) == 1, "the first record")
    before = time.time()
    check(client.poll(0.3) is None, "nothing to read")
    check(time.time() - before < 2, "an empty poll took too long")
    sent = []

    def later():
        time.sleep(0.7)
        sent.append(time.time())
        send(sender, topic, value=b"now")

    thread = threading.Thread(target=later)
    thread.start()
    check(len(read(client, 1)) == 1, "the record that was waited for")
    ms = round((time.time() - sent[0]) * 1000)
    thread.join()
    client.close()
    check(ms < 500, f"it came after {ms} ms")
    return f"{ms} ms"


def admin_topics(topic):
    create(topic, 3, retention_ms="3600000")
    described = wait(admin.describe_topics(TopicCollection([topic])))[0]
    leaders = all(partition.leader is not None for partition in described.partitions)
    see("described", f"{len(described.partitions)} partitions, each with a leader: {leaders}")

    def creating(name, partitions, replicas, **configs):
        config = {key.replace("_", "."): value for key, value in configs.items()}
        return outcome(lambda: wait(admin.create_topics([NewTopic(name, partitions, replicas, config=config)])))

    see("again", creating(topic, 1, 1))
    see("0 partitions", outcome_or_value(lambda: creating(f"{topic}-0", 0, 1)))
    see("defaults", creating(f"{topic}-d", -1, -1))
    see("9 replicas", creating(f"{topic}-9", 1, 9))
    see("bad name", creating("a/b", 1, 1))
    see("bad config", creating(f"{topic}-c", 1, 1, retention_ms="soon"))
    see("unknown config", creating(f"{topic}-u", 1, 1, no_such="1"))
    unknown = TopicCollection([f"{topic}-none"])
    see("unknown", outcome(lambda: wait(admin.describe_topics(unknown))))
    see("more partitions", outcome(lambda: wait(admin.create_partitions([NewPartitions(topic, 5)]))))
    see("fewer partitions", outcome(lambda: wait(admin.create_partitions([NewPartitions(topic, 2)]))))
    count = settle(lambda: len(wait(admin.describe_topics(TopicCollection([topic])))[0].partitions), 5)
    see("partitions", count)
    see("delete", outcome(lambda: wait(admin.delete_topics([topic]))))
    gone = settle(
        lambda: outcome(lambda: wait(admin.describe_topics(TopicCollection([topic])))), "UNKNOWN_TOPIC_OR_PART"
    )
    see("gone", gone)
    see("delete again", outcome(lambda: wait(admin.delete_topics([topic]))))
    check(seen["again"] == "TOPIC_ALREADY_EXISTS" and count == 5, str(seen))
    return ""


def outcome_or_value(call):
    """What the client itself refuses is a ValueError."""
    try:
        return call()
    except ValueError:
        return "ValueError"


def admin_configs(topic):
    create(topic, 1, retention_ms="3600000")
    names = ["cleanup.policy", "max.message.bytes", "retention.ms"]

    def resource(name, entries=None):
        return ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)

    def describe():
        found = wait(admin.describe_configs([resource(topic)]))[0]
        return ", ".join(f"{name}={found[name].value} {found[name].source}" for name in names)

    def altering(name, *entries):
        ops = [ConfigEntry(key, value, incremental_operation=op) for op, key, value in entries]
        return outcome(lambda: wait(admin.incremental_alter_configs([resource(name, ops)])))

    set_, delete = AlterConfigOpType.SET, AlterConfigOpType.DELETE
    see("created", describe())
    see("incremental", altering(topic, (set_, "max.message.bytes", "2000000"), (delete, "retention.ms", None)))
    see("altered", settle(describe, "cleanup.policy=delete 5, max.message.bytes=2000000 1, retention.ms=604800000 5"))
    see("bad value", altering(topic, (set_, "retention.ms", "soon")))
    see("unknown topic", altering(f"{topic}-none", (set_, "retention.ms", "1")))
    old = ConfigResource(ResourceType.TOPIC, topic, set_config={"retention.ms": "7200000"})
    see("old alter", outcome(lambda: wait(admin.alter_configs([old]))))
    see("replaced", settle(describe, "cleanup.policy=delete 5, max.message.bytes=1048588 5, retention.ms=7200000 1"))
    broker = ConfigResource(ResourceType.BROKER, str(next(iter(admin.list_topics(timeout=10).brokers))))
    see("broker has configs", len(wait(admin.describe_configs([broker]))[0]) > 0)
    return ""


def admin_records(topic):
    create(topic, 1)
    fill(topic, 100)

    def deleting(before):
        return wait(admin.delete_records([TopicPartition(topic, 0, before)]))[0].low_watermark

    see("low watermark", deleting(40))
    see("beyond the end", outcome(lambda: deleting(500)))
    in_order(read_all(topic, 1, 60), 40, 100)
    check(seen["low watermark"] == "40" and seen["beyond the end"] == "OFFSET_OUT_OF_RANGE", str(seen))
    return ""


def admin_cluster(topic):
    cluster = admin.describe_cluster().result(10)
    see("nodes", len(cluster.nodes))
    see("controller is a node", cluster.controller.id in [node.id for node in cluster.nodes])
    check(cluster.cluster_id, "no cluster id")
    metadata = admin.list_topics(timeout=10)
    see("the same in its metadata", metadata.cluster_id == cluster.cluster_id)
    return ""


def auto_create(topic):
    client = consumer(allow_auto_create_topics=False)
    see("not allowed", client.list_topics(topic, timeout=10).topics[topic].error.name())
    client.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    see("reading it", outcome(lambda: read(client, 1, seconds=3)))
    client.close()
    see("exists then", topic in admin.list_topics(timeout=10).topics)
    see("allowed", outcome(lambda: send(producer(), topic, value=b"v")))
    see("exists at the end", topic in admin.list_topics(timeout=10).topics)
    return ""


def recreate(topic):
    create(topic, 1)
    fill(topic, 10)
    client = consumer(allow_auto_create_topics=False)
    client.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    in_order(read(client, 10), 0, 10)
    wait(admin.delete_topics([topic]))
    see("while it is gone", outcome(lambda: read(client, 1, seconds=2)))
    create(topic, 1)
    fill(topic, 5)
    # Its position is 10, and the partition ends at 5: the reset policy takes it to the beginning.
    in_order(read(client, 5, seconds=15), 0, 5)
    client.close()
    return ""


def main():
    scenarios = {f"roundtrip-{codec}": roundtrip(codec) for codec in ["none", "gzip", "snappy", "lz4", "zstd"]}
    for run in [partitioner, acks, idempotent, large, offsets, seek, long_poll, auto_create, recreate]:
        scenarios[run.__name__.replace("_", "-")] = run
    for run in [admin_topics, admin_configs, admin_records, admin_cluster]:
        scenarios[run.__name__.replace("_", "-")] = run
    scenarios.update(GROUP_SCENARIOS)
    for name in os.environ["SCENARIO"].split(","):
        seen.clear()
        line = {"scenario": name, "ok": False}
        try:
            line["detail"] = scenarios[name](f"{os.environ['RUN']}-{name}")
            line["ok"] = True
        except NotApplicable as error:
            line["na"] = str(error)
        except KafkaException as error:
            line["detail"] = str(error.args[0])
        except Exception as error:  # noqa: BLE001  whatever it is, the next scenario runs
            line["detail"] = f"{type(error).__name__}: {error}"
        print(json.dumps({**line, "seen": seen}), flush=True)


if __name__ == "__main__":
    if "MEMBER_OF" in os.environ:
        be_killed()
    main()
