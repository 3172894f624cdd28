#!/usr/bin/env bash
# kcat: an old librdkafka (2.0.2 in Debian 12). It makes no topics, so Kafka's tools make them.
set -uo pipefail
. "$(dirname "$0")/../kafka-tools/lib.sh"
. "$(dirname "$0")/../kafka-tools/groups.sh"
files=$(mktemp -d)
trap 'rm -rf "$files"; kill $(jobs -p) 2>/dev/null' EXIT

produce() { kcat -b "$BOOTSTRAP" -P -t "$1" "${@:2}"; }
# Reads from the beginning to the end.
consume() { timeout 20 kcat -b "$BOOTSTRAP" -C -q -e -t "$1" "${@:2}"; }
fill() { seq 0 $(($2 - 1)) | produce "$1" -p 0; }
# The names of errors in what it said.
errors_in() { grep -oE 'Broker: [A-Za-z ]+|Local: [A-Za-z ]+|out of range' <<<"$1" | sort -u | tr '\n' ' '; }

scenario_roundtrip() {
  create "$1" 12
  local partition codec=$2 before
  before=$(($(date +%s) * 1000))
  for partition in $(seq 0 11); do
    # An empty key or value is a null with -Z.
    printf '%s\n' "$partition:value-$partition-$(printf 'x%.0s' $(seq 200))" ":no key" "null:" |
      produce "$1" -p "$partition" -z "$codec" -K : -Z -H a=1 -H a=again -H b=
  done
  for partition in $(seq 0 11); do
    check "partition $partition" "$(consume "$1" -p "$partition" -o beginning -Z -f '%p@%o %k|%s|%h|%K|%S\n')" \
      "$partition@0 $partition|value-$partition-$(printf 'x%.0s' $(seq 200))|a=1,a=again,b=|${#partition}|$((207 + ${#partition}))
$partition@1 NULL|no key|a=1,a=again,b=|-1|6
$partition@2 null|NULL|a=1,a=again,b=|4|-1"
  done
  local stamp
  stamp=$(consume "$1" -p 0 -o beginning -c 1 -f '%T')
  check 'a time of now' "$((stamp >= before && stamp < before + 60000))" 1
}

scenario_partitioner() {
  create "$1" 12
  local keys
  hash_of() {
    for i in $(seq 0 99); do echo "key-$i:$2"; done | produce "$1" -K : "${@:3}"
    keys=$(consume "$1" -o beginning -f '%k %p %s\n' | grep " $2\$" | sort -t- -k2n | cut -d' ' -f2 | tr '\n' ' ')
    printf '%s' "${keys% }" | md5sum | cut -c1-8
  }
  local own java
  own=$(hash_of "$1" own)
  java=$(hash_of "$1" java -X partitioner=murmur2_random)
  see partitions "$own"
  see 'as in Java' "$java"
  detail "keys $own, murmur2 $java"
}

scenario_acks() {
  create "$1" 1
  local acks
  for acks in 0 1 all; do seq 20 | produce "$1" -X "acks=$acks"; done
  check records "$(consume "$1" -p 0 -o beginning | wc -l)" 60
}

scenario_idempotent() {
  create "$1" 1
  seq 0 1999 | produce "$1" -X enable.idempotence=true -X max.in.flight=5 -X batch.num.messages=10
  check records "$(consume "$1" -p 0 -o beginning)" "$(seq 0 1999)"
}

scenario_large() {
  create "$1" 1 --config max.message.bytes=2097152
  local size
  for size in 1048576 2000000 3000000; do
    head -c "$size" /dev/zero | tr '\0' x >"$files/$size"
    see "$size" "$(errors_in "$(produce "$1" -p 0 -X message.max.bytes=8000000 "$files/$size" 2>&1)")"
  done
  check sizes "$(consume "$1" -p 0 -o beginning -f '%S ')" '1048576 2000000 '
}

scenario_offsets() {
  create "$1" 1
  fill "$1" 100
  local time middle
  middle=$(consume "$1" -p 0 -o 50 -c 1 -f '%T')
  for time in -2 -1 1000 99999999999999; do see "$time" "$(kcat -b "$BOOTSTRAP" -Q -t "$1:0:$time" | sed "s/^$1//")"; done
  local found
  found=$(kcat -b "$BOOTSTRAP" -Q -t "$1:0:$middle" | grep -oE '[0-9]+$')
  check 'by time' "$((found <= 50))" 1
  see unknown "$(errors_in "$(kcat -b "$BOOTSTRAP" -Q -t "$1-none:0:-1" 2>&1)")"
}

scenario_seek() {
  create "$1" 1
  fill "$1" 100
  check middle "$(consume "$1" -p 0 -o 50)" "$(seq 50 99)"
  check 'the last ten' "$(consume "$1" -p 0 -o -10)" "$(seq 90 99)"
  check reset "$(consume "$1" -p 0 -o 5000 -X auto.offset.reset=earliest)" "$(seq 0 99)"
  local said
  said=$(timeout 5 kcat -b "$BOOTSTRAP" -C -e -t "$1" -p 0 -o 5000 -X auto.offset.reset=error 2>&1)
  see 'out of range' "$(errors_in "$said")"
}

scenario_long_poll() {
  create "$1" 1
  (timeout 20 kcat -b "$BOOTSTRAP" -C -q -u -t "$1" -p 0 -o beginning -c 1 -X fetch.wait.max.ms=2000 && date +%s%3N) >"$files/read" &
  local reader=$! sent
  sleep 2
  sent=$(date +%s%3N)
  echo now | produce "$1" -p 0
  wait "$reader"
  local ms=$(($(tail -n 1 "$files/read") - sent))
  check 'in half a second' "$((ms < 500))" 1
  detail "$ms ms, kcat's start included"
}

scenario_admin_topics() { not_applicable 'no admin calls'; }
scenario_admin_configs() { not_applicable 'no admin calls'; }
scenario_admin_records() { not_applicable 'no admin calls'; }

scenario_admin_cluster() {
  create "$1" 2
  local metadata
  metadata=$(kcat -b "$BOOTSTRAP" -L -J -t "$1")
  see brokers "$(grep -oE '"brokers":\[[^]]*' <<<"$metadata" | grep -o '"id"' | wc -l)"
  see controller "$(grep -cE '"controllerid":[0-9]' <<<"$metadata")"
  see partitions "$(grep -oE '"leader":[0-9]+' <<<"$metadata" | wc -l)"
  # What it switches on after a look at ApiVersions.
  see features "$(kcat -b "$BOOTSTRAP" -L -d feature 2>&1 | sed -nE 's/.*Enabling feature //p' | grep -v Sasl |
    sort -u | tr '\n' ' ')"
}

scenario_auto_create() {
  local not=(-X allow.auto.create.topics=false)
  see 'not allowed' "$(errors_in "$(timeout 5 kcat -b "$BOOTSTRAP" -C -e -t "$1" -p 0 "${not[@]}" 2>&1)")"
  echo v | produce "$1"
  check records "$(consume "$1" -p 0 -o beginning)" v
}

scenario_recreate() {
  create "$1" 1
  fill "$1" 10
  timeout 40 kcat -b "$BOOTSTRAP" -C -q -u -t "$1" -p 0 -o beginning -X auto.offset.reset=earliest \
    -X topic.metadata.refresh.interval.ms=500 >"$files/read" 2>"$files/errors" &
  local reader=$!
  sleep 2
  check before "$(cat "$files/read")" "$(seq 0 9)"
  tool TopicCommand --bootstrap-server "$BOOTSTRAP" --delete --topic "$1" >&2
  wait "$reader"
  # It ends when the topic goes.
  see 'when it goes' "$(errors_in "$(cat "$files/errors")")"
  create "$1" 1
  fill "$1" 5
  check after "$(consume "$1" -p 0 -o beginning)" "$(seq 0 4)"
}

produce_with_keys() { produce "$1" -K "$(printf '\t')"; }

member() {
  local option options=()
  for option in "${MEMBER_OPTIONS[@]}"; do options+=(-X "$option"); done
  : >"$files/$1"
  kcat -b "$BOOTSTRAP" -u -X auto.offset.reset=earliest "${options[@]}" -f '%s\n' -G "$3" "$2" >"$files/$1" 2>"$files/$1.err" &
  printf -v "pid_$1" %s $!
}
fenced() { grep -oE 'FENCED_INSTANCE_ID|fenced by[a-z ]*' "$1" | head -n 1; }

scenario_group_range() { group_members "$1" range; }
scenario_group_roundrobin() { group_members "$1" roundrobin; }
scenario_group_cooperative() { not_applicable 'kcat assigns whole assignments only'; }
scenario_group_reset() { not_applicable 'no admin calls'; }
scenario_group_admin() { not_applicable 'no admin calls'; }

scenario_group_commits() {
  create "$1" 2
  fill "$1" 100
  read_in_group() { timeout 20 kcat -b "$BOOTSTRAP" -q -X auto.offset.reset=earliest "${@:3}" -f '%s\n' -G "$2" "$1" 2>>"$files/stderr"; }
  check 'the first 40' "$(read_in_group "$1" "$1-group" -c 40)" "$(seq 0 39)"
  see committed "$(committed "$1-group")"
  check 'the others' "$(read_in_group "$1" "$1-group" -c 60)" "$(seq 40 99)"
  check 'committed then' "$(committed "$1-group")" 100
  check 'of a second group' "$(read_in_group "$1" "$1-group-2" -e)" "$(seq 0 99)"
  check 'no more' "$(read_in_group "$1" "$1-group" -e)" ''
}

run_scenarios
