"""What schemathesis has to be told beside the document: rules between parts of a request, for which OpenAPI has no words, and how
long a request may take.

A rule makes a request valid that was meant to be: nothing is told of those that were meant to be refused.
"""

import re
from urllib.parse import quote

import schemathesis
from schemathesis.openapi.checks import EnsureResourceAvailability, UseAfterFree

# Nobody waits longer: what comes after a wait comes after a short one, too.
WAIT_MS_MAX = 200
# An event stream never ends, and may have nothing to tell: after so long a silence it is taken for what it is.
STREAM_SILENT_SECONDS = 1.0
# Of a topic that is created: 10,000 are allowed, and a hundred such topics are another test.
PARTITIONS_MAX = 5
# A node's path, without the "/" before it and with the number that may come behind it, in percent-encoding.
PATH_BYTES_MAX = 1013
# Configs with which a topic takes records as any other one does, and keeps them: what the others do is told elsewhere.
CONFIGS = {"retention.ms": "3600000", "segment.bytes": 2097152, "unclean.leader.election.enable": False}

# What may be matched with is narrower than any regular expression, as the field's description says.
PATTERNS = ("a.*", "orders", "or(de|d)rs", "[a-z]+", "fuzz-[0-9]{1,3}", ".+", "nope")


@schemathesis.hook
def before_call(context, case, kwargs):
    name = case.operation.definition.raw.get("operationId")
    bound_waits(name, case, kwargs)
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    rule = RULES.get(name)
    if rule is not None:
        rule(case)
    if case.path_parameters and isinstance(case.path_parameters.get("path"), str):
        case.path_parameters["path"] = shortened(case.path_parameters["path"])


def bound_waits(name, case, kwargs):
    query = case.query or {}
    wait = re.fullmatch(r"(\d{1,6})(ms|s)?", str(query.get("wait", "")))
    if wait and int(wait[1]) * (1000 if wait[2] == "s" else 1) > WAIT_MS_MAX:
        query["wait"] = f"{WAIT_MS_MAX}ms"
    if name == "poll" and str(query.get("timeout", "")).isdecimal():
        query["timeout"] = min(int(query["timeout"]), WAIT_MS_MAX)
    key = "consumer.request.timeout.ms"
    if isinstance(case.body, dict) and str(case.body.get(key, "")).isdecimal():
        given = case.body[key]
        case.body[key] = type(given)(min(int(given), WAIT_MS_MAX))
    if name == "streamRecords" or "watch" in query:
        kwargs["timeout"] = STREAM_SILENT_SECONDS


# Topics that were made, since they were last deleted. The check of what was deleted knows of POST /v1/topics alone; they are made by
# POST /admin/topics, too, and by whoever sends records to them, be they taken or not: a partition may be asked for that is not there.
MADE = set()


@schemathesis.hook
def after_call(context, case, response):
    name = case.operation.definition.raw.get("operationId")
    if name in ("produceRecords", "send", "sendToPartition"):
        MADE.add((case.path_parameters or {}).get("topic"))
    elif not 200 <= response.status_code < 300:
        return
    elif name == "deleteTopic":
        MADE.discard(case.path_parameters["topic"])
    elif name in ("createTopic", "createTopicV2"):
        MADE.add(case.body.get("name") or case.body.get("topic_name"))


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """That what was just created is not found counts where the answer says that of it: a 404 may as well be about a topic in the
    body, a partition or an offset, and its code and message tell which. That what was deleted is there counts unless it was made again."""
    if isinstance(failure, UseAfterFree):
        return (case.path_parameters or {}).get("topic") not in MADE
    if not isinstance(failure, EnsureResourceAvailability):
        return True
    error = response.json()
    if error["code"] == "UNKNOWN_TOPIC_OR_PARTITION":
        return f'there is no topic "{(case.path_parameters or {}).get("topic")}"' in error["message"]
    return error["code"] not in ("OFFSET_OUT_OF_RANGE", "UNKNOWN_TOPIC_ID")


def produce_records(case):
    """A record has one key: of all, or a field of each, which each has then."""
    query = case.query or {}
    if "key" in query or not has_key_field(case, query.get("keyField")):
        query.pop("keyField", None)


def has_key_field(case, name):
    if case.media_type != "application/json":
        return False
    records = case.body if isinstance(case.body, list) else [case.body]
    values = [record.get(name) if isinstance(record, dict) else None for record in records]
    return all(isinstance(value, (str, int, float)) and not isinstance(value, bool) for value in values)


def read_records(case):
    """A read begins at one place, and an offset is one in a partition."""
    query = case.query or {}
    for other in [name for name in ("offset", "timestamp", "cursor") if name in query][1:]:
        del query[other]
    if str(query.get("offset", "")).isdecimal():
        query.setdefault("partition", 0)


def read_node(case):
    """The first revision goes with a watch."""
    if case.query and "watch" not in case.query:
        case.query.pop("from", None)


def create_node(case):
    """An ephemeral node goes with a session."""
    if case.query and not session_of(case):
        case.query.pop("ephemeral", None)


def write_tree(case):
    for operation in case.body if isinstance(case.body, list) else []:
        if not session_of(case):
            operation.pop("ephemeral", None)
        operation["path"] = f"/{shortened(operation['path'][1:])}"


def session_of(case):
    return (case.headers or {}).get("weir-session")


def committed(case):
    """A partition is one of a topic."""
    if case.query and "topic" not in case.query:
        case.query.pop("partition", None)


def reset_group(case):
    """An offset is a place in one partition."""
    if str(case.body.get("to", "")).isdecimal() and case.body.get("partition") is None:
        case.body["partition"] = 0


def subscribe(case):
    pattern = case.body.get("topic_pattern")
    if pattern is not None:
        case.body["topic_pattern"] = PATTERNS[len(pattern) % len(PATTERNS)]


def create_topic(case):
    """There is one broker; and a number that is too large is told of a config whatever type it is written in."""
    for count in ("partitions", "partitions_count"):
        if isinstance(case.body.get(count), int):
            case.body[count] = min(case.body[count], PARTITIONS_MAX)
    if case.body.get("replication_factor") is not None:
        case.body["replication_factor"] = 1
    if case.body.get("configs"):
        case.body["configs"] = dict(list(CONFIGS.items())[: len(case.body["configs"])])


def shortened(path):
    """JSON Schema counts characters, and a path's limit is in bytes. `requests` encodes what is encoded already anew."""
    while len(quote(path, safe="")) > PATH_BYTES_MAX:
        path = path[:-1]
    return path


RULES = {
    "produceRecords": produce_records,
    "readRecords": read_records,
    "getRoot": read_node,
    "getNode": read_node,
    "createNode": create_node,
    "writeTree": write_tree,
    "committed": committed,
    "resetGroup": reset_group,
    "subscribe": subscribe,
    "createTopic": create_topic,
    "createTopicV2": create_topic,
}
