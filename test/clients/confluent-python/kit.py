"""What all scenarios of confluent-kafka use."""

import os
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = os.environ["BOOTSTRAP"]
BASE = int(time.time() * 1000) - 3_600_000
COMMON = {"bootstrap.servers": BOOTSTRAP, "log_level": 2, "topic.metadata.refresh.interval.ms": 1000}
admin = AdminClient(COMMON)
seen = {}


class NotApplicable(Exception):
    pass


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
    except KafkaException as error:
        return error.args[0].name()


def create(topic, partitions, **configs):
    new = NewTopic(topic, partitions, 1, config={key.replace("_", "."): value for key, value in configs.items()})
    wait(admin.create_topics([new]))
    settle(lambda: topic in admin.list_topics(timeout=10).topics, True)


def wait(futures):
    return [future.result(30) for future in futures.values()]


def settle(ask, expected):
    """Asks until the answer is this one, at most five seconds: admin answers may come before brokers know."""
    for _ in range(50):
        last = ask()
        if last == expected:
            break
        time.sleep(0.1)
    return last


def producer(**settings):
    return Producer({**COMMON, **{key.replace("_", "."): value for key, value in settings.items()}})


def consumer(**settings):
    extra = {key.replace("_", "."): value for key, value in settings.items()}
    group = {"group.id": "none", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    return Consumer({**COMMON, **group, **extra})


def numbered(i, partitions):
    value = {3: None, 4: b""}.get(i % 7, f"value-{i}-{'x' * (i % 50 * 10)}".encode())
    headers = [] if i % 3 == 0 else [("a", f"h{i}".encode()), ("a", b"again"), ("b", b""), ("c", None)]
    key = None if i % 5 == 0 else f"key-{i}".encode()
    return {"partition": i % partitions, "key": key, "value": value, "headers": headers, "timestamp": BASE + i * 1000}


def fill(topic, count):
    """Values "0", "1", … on partition 0, a second apart."""
    client = producer()
    for i in range(count):
        client.produce(topic, str(i).encode(), partition=0, timestamp=BASE + i * 1000)
    check(client.flush(10) == 0, "not all was delivered")


def read(client, count, seconds=10):
    """Reads until there are so many, or the time is over."""
    found, deadline = [], time.time() + seconds
    while len(found) < count and time.time() < deadline:
        message = client.poll(0.2)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        found.append(message)
    return found


def read_all(topic, partitions, count):
    client = consumer()
    client.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
    found = read(client, count)
    client.close()
    return found


def in_order(messages, first, last):
    check(len(messages) == last - first, f"{len(messages)} records of {last - first}")
    for i, message in enumerate(messages, first):
        check(message.value() == str(i).encode(), f"record {i} is {message.value()}")


def send(client, topic, **record):
    """Where it was stored. Raises what went wrong."""
    delivered = []
    client.produce(topic, on_delivery=lambda error, message: delivered.append((error, message)), **record)
    client.flush(20)
    check(len(delivered) == 1, "no delivery report")
    error, message = delivered[0]
    if error:
        raise KafkaException(error)
    return message
