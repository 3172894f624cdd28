"""kafka-python."""

import hashlib
import json
import os
import threading
import time

from groups import be_killed, group_scenarios
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource
from kafka.errors import KafkaError

BOOTSTRAP = os.environ["BOOTSTRAP"]
BASE = int(time.time() * 1000) - 3_600_000
COMMON = {"bootstrap_servers": BOOTSTRAP, "metadata_max_age_ms": 1000}
admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
seen = {}


def check(holds, what):
    if not holds:
        raise AssertionError(what)


def see(key, value):
    seen[key] = str(value)


def outcome(call):
    """ "ok", or the name of the error."""
    try:
        call()
        return "ok"
    except (KafkaError, ValueError) as error:
        return type(error).__name__


def settle(expected, ask):
    """Asks until the answer is this one, at most five seconds: admin answers may come before brokers know."""
    for _ in range(50):
        last = ask()
        if last == expected:
            break
        time.sleep(0.1)
    return last


def creating(topic, partitions, replicas=1, **configs):
    config = {key.replace("_", "."): value for key, value in configs.items()}
    options = {"num_partitions": partitions, "replication_factor": replicas, "configs": config}
    admin.create_topics({topic: options})


def described(topic):
    """How many partitions it has, or the code of the error."""
    found = admin.describe_topics([topic])[0]
    return f"{len(found['partitions'])} partitions" if found["error_code"] == 0 else f"error {found['error_code']}"


def create(topic, partitions, **configs):
    creating(topic, partitions, **configs)
    settle(f"{partitions} partitions", lambda: described(topic))


def producer(**settings):
    return KafkaProducer(**{**COMMON, **settings})


def consumer(**settings):
    defaults = {"enable_auto_commit": False, "auto_offset_reset": "earliest", "fetch_max_wait_ms": 200}
    return KafkaConsumer(**{**COMMON, **defaults, **settings})


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


def fill(topic, count):
    """Values "0", "1", … on partition 0, a second apart."""
    client = producer()
    for i in range(count):
        client.send(topic, str(i).encode(), partition=0, timestamp_ms=BASE + i * 1000)
    client.flush()
    client.close()


def read(client, count, seconds=10):
    """Reads until there are so many, or the time is over."""
    found, deadline = [], time.time() + seconds
    while len(found) < count and time.time() < deadline:
        for records in client.poll(timeout_ms=200).values():
            found.extend(records)
    return found


def read_all(topic, partitions, count):
    client = consumer()
    client.assign([TopicPartition(topic, partition) for partition in range(partitions)])
    found = read(client, count)
    client.close()
    return found


def in_order(records, first, last):
    check(len(records) == last - first, f"{len(records)} records of {last - first}")
    for i, record in enumerate(records, first):
        check(record.value == str(i).encode(), f"record {i} is {record.value}")


def roundtrip(codec):
    def run(topic):
        create(topic, 12)
        sent = [numbered(i, 12) for i in range(240)]
        client = producer(compression_type=codec, acks="all", linger_ms=50)
        futures = [client.send(topic, **record) for record in sent]
        places = [future.get(20) for future in futures]
        client.close()
        expected = {(place.partition, place.offset): record for place, record in zip(places, sent, strict=True)}
        records = read_all(topic, 12, 240)
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


def partitioner(topic):
    create(topic, 12)
    client = producer()
    places = [client.send(topic, b"v", key=f"key-{i}".encode()).get(20) for i in range(100)]
    client.close()
    partitions = " ".join(str(place.partition) for place in places)
    see("partitions", hashlib.md5(partitions.encode()).hexdigest()[:8])
    return f"keys {seen['partitions']}"


def acks(topic):
    create(topic, 1)
    for level in [0, 1, "all"]:
        client = producer(acks=level, enable_idempotence=False)
        for i in range(20):
            client.send(topic, f"{level}{i}".encode())
        client.flush()
        client.close()
    found = len(read_all(topic, 1, 60))
    check(found == 60, f"{found} records of 60")
    return ""


def idempotent(topic):
    create(topic, 1)
    client = producer(enable_idempotence=True, max_in_flight_requests_per_connection=5, batch_size=300)
    futures = [client.send(topic, str(i).encode()) for i in range(2000)]
    for future in futures:
        future.get(20)
    client.close()
    in_order(read_all(topic, 1, 2000), 0, 2000)
    return ""


def large(topic):
    create(topic, 1, max_message_bytes="2097152")
    client = producer(max_request_size=8_000_000)
    for size in [1_048_576, 2_000_000]:
        client.send(topic, bytes(size)).get(20)
    see("too large", outcome(lambda: client.send(topic, bytes(3_000_000)).get(20)))
    client.close()
    sizes = [len(record.value) for record in read_all(topic, 1, 2)]
    check(sizes == [1_048_576, 2_000_000], f"sizes {sizes}")
    check(seen["too large"] == "MessageSizeTooLargeError", str(seen))
    return ""


def offsets(topic):
    create(topic, 1)
    fill(topic, 99)
    client = producer()
    client.send(topic, b"late", timestamp_ms=BASE).get(20)
    client.close()
    partition = TopicPartition(topic, 0)
    client = consumer()
    see("earliest", client.beginning_offsets([partition])[partition])
    see("latest", client.end_offsets([partition])[partition])
    for after in [50_000, 50_001, 500_000]:
        found = client.offsets_for_times({partition: BASE + after})[partition]
        see(f"at {after}", found and f"{found.offset} +{found.timestamp - BASE}")
    client.close()
    for name, spec in {"max timestamp": -3, "earliest local": -4, "latest tiered": -5}.items():
        found = admin.list_partition_offsets({partition: spec})[partition]
        see(name, found and found.offset)
    check(seen["latest"] == "100" and seen["at 50001"] == "51 +51000", str(seen))
    check(seen["max timestamp"] == "98", str(seen))
    return ""


def seek(topic):
    create(topic, 1)
    fill(topic, 100)
    partition = TopicPartition(topic, 0)
    client = consumer()
    client.assign([partition])
    client.seek(partition, 50)
    in_order(read(client, 50), 50, 100)
    client.seek(partition, 5000)
    in_order(read(client, 100), 0, 100)
    client.close()
    client = consumer(auto_offset_reset="none")
    client.assign([partition])
    client.seek(partition, 5000)
    see("out of range", outcome(lambda: read(client, 1)))
    client.close()
    check(seen["out of range"] == "OffsetOutOfRangeError", str(seen))
    return ""


def long_poll(topic):
    create(topic, 1)
    fill(topic, 1)
    sender, client = producer(), consumer(fetch_max_wait_ms=2000)
    sender.partitions_for(topic)
    client.assign([TopicPartition(topic, 0)])
    check(len(read(client, 1)) == 1, "the first record")
    before = time.time()
    check(not client.poll(timeout_ms=300), "nothing to read")
    check(time.time() - before < 2, "an empty poll took too long")
    sent = []

    def later():
        time.sleep(0.7)
        sent.append(time.time())
        sender.send(topic, b"now")
        sender.flush()

    thread = threading.Thread(target=later)
    thread.start()
    check(len(read(client, 1)) == 1, "the record that was waited for")
    ms = round((time.time() - sent[0]) * 1000)
    thread.join()
    client.close()
    sender.close()
    check(ms < 500, f"it came after {ms} ms")
    return f"{ms} ms"


def admin_topics(topic):
    create(topic, 3, retention_ms="3600000")
    see("listed", topic in admin.list_topics())
    see("described", described(topic))
    see("again", outcome(lambda: creating(topic, 1)))
    see("0 partitions", outcome(lambda: creating(f"{topic}-0", 0)))
    see("defaults", outcome(lambda: creating(f"{topic}-d", -1, -1)))
    see("9 replicas", outcome(lambda: creating(f"{topic}-9", 1, 9)))
    see("bad name", outcome(lambda: creating("a/b", 1)))
    see("bad config", outcome(lambda: creating(f"{topic}-c", 1, retention_ms="soon")))
    see("unknown config", outcome(lambda: creating(f"{topic}-u", 1, no_such="1")))
    see("unknown", described(f"{topic}-none"))
    paged = admin.describe_topic_partitions([topic])
    see("described by pages", topic in str(paged) and "UNKNOWN" not in str(paged))
    see("more partitions", outcome(lambda: admin.create_partitions({topic: 5})))
    see("fewer partitions", outcome(lambda: admin.create_partitions({topic: 2})))
    see("partitions", settle("5 partitions", lambda: described(topic)))
    see("delete", outcome(lambda: admin.delete_topics([topic])))
    see("delete again", outcome(lambda: admin.delete_topics([topic])))
    check(seen["again"] == "TopicAlreadyExistsError" and seen["partitions"] == "5 partitions", str(seen))
    return ""


def admin_configs(topic):
    create(topic, 1, retention_ms="3600000")
    names = ["cleanup.policy", "max.message.bytes", "retention.ms"]

    def describe():
        answer = admin.describe_configs([ConfigResource("TOPIC", topic, names)], config_filter="all")
        found = answer["topic"][topic]
        return ", ".join(f"{name}={found[name]['value']}" for name in names)

    def altering(name, incremental, configs):
        resource = ConfigResource("TOPIC", name, configs)
        answer = admin.alter_configs([resource], incremental=incremental, raise_on_unknown=False)
        return str(answer["topic"][name])

    see("created", describe())
    both = {"max.message.bytes": ("SET", "2000000"), "retention.ms": ("DELETE", None)}
    see("incremental", outcome(lambda: altering(topic, True, both)))
    see("altered", settle("cleanup.policy=delete, max.message.bytes=2000000, retention.ms=604800000", describe))
    see("bad value", altering(topic, True, {"retention.ms": "soon"}).split(":")[0])
    see("old alter", outcome(lambda: altering(topic, False, {"retention.ms": "7200000"})))
    see("afterwards", describe())
    see("listed", topic in str(admin.list_config_resources()))
    return ""


def admin_records(topic):
    create(topic, 1)
    fill(topic, 100)
    partition = TopicPartition(topic, 0)
    see("low watermark", admin.delete_records({partition: 40})[partition]["low_watermark"])
    see("beyond the end", outcome(lambda: admin.delete_records({partition: 500})))
    in_order(read_all(topic, 1, 60), 40, 100)
    check(seen["low watermark"] == "40", str(seen))
    return ""


def admin_cluster(topic):
    create(topic, 1)
    fill(topic, 100)
    cluster = admin.describe_cluster()
    nodes = [broker.get("broker_id", broker.get("node_id")) for broker in cluster["brokers"]]
    see("nodes", len(nodes))
    see("controller is a node", cluster["controller_id"] in nodes)
    check(cluster["cluster_id"], "no cluster id")
    directories = str(admin.describe_log_dirs([topic]))
    see("log dir of the topic", topic in directories)
    see("features", outcome(admin.describe_features))
    return ""


def auto_create(topic):
    see("not allowed", described(topic))
    see("exists then", topic in admin.list_topics())
    client = producer()
    see("allowed", outcome(lambda: client.send(topic, b"v").get(20)))
    client.close()
    see("exists at the end", topic in admin.list_topics())
    return ""


def recreate(topic):
    create(topic, 1)
    fill(topic, 10)
    client = consumer()
    client.assign([TopicPartition(topic, 0)])
    in_order(read(client, 10), 0, 10)
    admin.delete_topics([topic])
    outcome(lambda: read(client, 1, seconds=2))
    # What it asks for makes a topic where that is allowed: it may be there again already.
    again = outcome(lambda: creating(topic, 1))
    check(again in ["ok", "TopicAlreadyExistsError"], again)
    settle("1 partitions", lambda: described(topic))
    fill(topic, 5)
    # Its position is 10, and the partition ends at 5: the reset policy takes it to the beginning.
    in_order(read(client, 5, seconds=20), 0, 5)
    client.close()
    return ""


def main():
    scenarios = {f"roundtrip-{codec}": roundtrip(codec) for codec in ["gzip", "snappy", "lz4", "zstd"]}
    scenarios["roundtrip-none"] = roundtrip(None)
    for run in [partitioner, acks, idempotent, large, offsets, seek, long_poll, auto_create, recreate]:
        scenarios[run.__name__.replace("_", "-")] = run
    for run in [admin_topics, admin_configs, admin_records, admin_cluster]:
        scenarios[run.__name__.replace("_", "-")] = run
    scenarios.update(group_scenarios())
    for name in os.environ["SCENARIO"].split(","):
        seen.clear()
        line = {"scenario": name, "ok": False}
        try:
            line["detail"] = scenarios[name](f"{os.environ['RUN']}-{name}")
            line["ok"] = True
        except Exception as error:  # noqa: BLE001  whatever it is, the next scenario runs
            line["detail"] = f"{type(error).__name__}: {error}"
        print(json.dumps({**line, "seen": seen}), flush=True)


if __name__ == "__main__":
    if "MEMBER_OF" in os.environ:
        be_killed()
    main()
