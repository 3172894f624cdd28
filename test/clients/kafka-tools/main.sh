#!/usr/bin/env bash
# Kafka's command line tools, run as kafka-topics.sh and the others run them.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/groups.sh"
. "$(dirname "$0")/group-scenarios.sh"
server=(--bootstrap-server "$BOOTSTRAP")
files=$(mktemp -d)
trap 'rm -rf "$files"; kill -KILL $(jobs -p) 2>/dev/null' EXIT

topics() { tool TopicCommand "${server[@]}" "$@"; }
produce() { tool ConsoleProducer "${server[@]}" --topic "$1" "${@:2}"; }
consume() { tool ConsoleConsumer "${server[@]}" --topic "$1" --partition 0 "${@:2}" 2>>"$files/stderr"; }
offsets() { tool GetOffsetShell "${server[@]}" --topic "$1" "${@:2}" 2>&1; }
fill() { seq 0 $(($2 - 1)) | produce "$1"; }

scenario_roundtrip() {
  create "$1" 1
  local i lines=''
  for i in $(seq 0 39); do
    case $((i % 4)) in
      0) lines+=$'a:h'$i$',a:again\tkey-'$i$'\tvalue-'$i$'\n' ;;
      1) lines+=$'NULL\tNULL\tvalue-'$i$'\n' ;;
      2) lines+=$'b:x\tkey-'$i$'\tNULL\n' ;;
      3) lines+=$'b:\tkey-'$i$'\t\n' ;;
    esac
  done
  printf '%s' "$lines" | produce "$1" --compression-codec "$2" --reader-property parse.key=true \
    --reader-property parse.headers=true --reader-property null.marker=NULL
  local found
  found=$(consume "$1" --offset earliest --max-messages 40 --timeout-ms 15000 --formatter-property print.key=true \
    --formatter-property print.headers=true --formatter-property null.literal=NULL)
  check records "$found" "$(printf '%s' "$lines" | sed 's/^NULL\t/NO_HEADERS\t/')"
  see timestamps "$(consume "$1" --offset earliest --max-messages 1 --timeout-ms 15000 --formatter-property print.timestamp=true |
    grep -oE '^CreateTime:[0-9]' | head -n 1)"
}

scenario_partitioner() {
  create "$1" 12
  for i in $(seq 0 99); do printf 'key-%s\tv\n' "$i"; done | produce "$1" --reader-property parse.key=true
  see 'records of partitions' "$(offsets "$1" | sed 's/.*://' | tr '\n' ' ')"
  detail 'it does not tell a record'"'"'s partition'
}

scenario_acks() {
  create "$1" 1
  local acks
  for acks in 0 1 all; do
    seq 20 | produce "$1" --request-required-acks "$acks" --command-property enable.idempotence=false
  done
  check end "$(offsets "$1")" "$1:0:60"
}

scenario_idempotent() {
  create "$1" 1
  seq 0 1999 | produce "$1" --batch-size 200 --command-property enable.idempotence=true \
    --command-property max.in.flight.requests.per.connection=5
  check records "$(consume "$1" --offset earliest --max-messages 2000 --timeout-ms 15000)" "$(seq 0 1999)"
}

scenario_large() {
  create "$1" 1 --config max.message.bytes=2097152
  local size output
  for size in 1048576 2000000 3000000; do
    head -c "$size" /dev/zero | tr '\0' x >"$files/line"
    output=$(produce "$1" --command-property max.request.size=8000000 <"$files/line" 2>&1)
    see "$size" "$(error_in "$output" 0)"
  done
  check end "$(offsets "$1")" "$1:0:2"
  check sizes "$(consume "$1" --offset earliest --max-messages 2 --timeout-ms 15000 | wc -c)" 3048578
}

scenario_offsets() {
  create "$1" 1
  fill "$1" 100
  local time
  for time in earliest latest earliest-local latest-tiered 1000 99999999999999; do
    see "$time" "$(offsets "$1" --time "$time" | sed "s/^$1://")"
  done
  # Some of them share it.
  see max-timestamp "$(offsets "$1" --time max-timestamp | sed "s/^$1:0:[0-9]*$/one/")"
  see unknown "$(offsets "$1-none" | grep -v '^$' | sed "s/$1/T/g" | head -n 1)"
  check latest "$(offsets "$1" --time -1)" "$1:0:100"
}

scenario_seek() {
  create "$1" 1
  fill "$1" 100
  check middle "$(consume "$1" --offset 50 --max-messages 50 --timeout-ms 15000)" "$(seq 50 99)"
  check reset "$(consume "$1" --offset 5000 --max-messages 100 --timeout-ms 15000 --command-property auto.offset.reset=earliest)" \
    "$(seq 0 99)"
  see 'out of range' "$(outcome ConsoleConsumer "${server[@]}" --topic "$1" --partition 0 --offset 5000 --timeout-ms 15000 \
    --command-property auto.offset.reset=none)"
}

scenario_long_poll() { not_applicable 'a tool takes longer to start'; }
scenario_recreate() { not_applicable 'no tool that reads on'; }

scenario_admin_topics() {
  create "$1" 3 --config retention.ms=3600000
  see listed "$(topics --list | grep -cxF "$1")"
  # Without the topic's id.
  see described "$(topics --describe --topic "$1" | sed -E "s/$1/T/g; s/TopicId: [^\t]*//" | grep -oE '^Topic.*PartitionCount: [0-9]+.*ReplicationFactor: [0-9]+')"
  see partition "$(topics --describe --topic "$1" | grep -oE 'Partition: 1.*Leader: [0-9]+' | tr -d '0-9')"
  see again "$(outcome TopicCommand "${server[@]}" --create --topic "$1")"
  see 'if not exists' "$(outcome TopicCommand "${server[@]}" --create --if-not-exists --topic "$1")"
  see '9 replicas' "$(outcome TopicCommand "${server[@]}" --create --topic "$1-9" --replication-factor 9)"
  see 'bad config' "$(outcome TopicCommand "${server[@]}" --create --topic "$1-c" --config retention.ms=soon)"
  see 'defaults' "$(outcome TopicCommand "${server[@]}" --create --topic "$1-d")"
  see 'unknown' "$(topics --describe --topic "$1-none" 2>&1 | sed "s/$1/T/g" | head -n 1)"
  see 'more partitions' "$(outcome TopicCommand "${server[@]}" --alter --topic "$1" --partitions 5)"
  see 'fewer partitions' "$(outcome TopicCommand "${server[@]}" --alter --topic "$1" --partitions 2)"
  see 'partitions' "$(topics --describe --topic "$1" | grep -c 'Partition: ')"
  see 'delete' "$(outcome TopicCommand "${server[@]}" --delete --topic "$1")"
  see 'gone' "$(topics --list | grep -cxF "$1")"
}

scenario_admin_configs() {
  create "$1" 1 --config retention.ms=3600000
  local entity=(--entity-type topics --entity-name "$1")
  describe() {
    tool ConfigCommand "${server[@]}" "${entity[@]}" --describe --all 2>&1 |
      sed -nE 's,^ *((retention.ms|cleanup.policy|max.message.bytes)=[^ ]*) .*,\1,p' | sort | tr '\n' ' '
  }
  alter() { outcome ConfigCommand "${server[@]}" "${entity[@]}" --alter "$@"; }
  see created "$(describe)"
  see add "$(alter --add-config max.message.bytes=2000000,segment.bytes=4194304)"
  see delete "$(alter --delete-config retention.ms)"
  see altered "$(describe)"
  see dynamic "$(tool ConfigCommand "${server[@]}" "${entity[@]}" --describe 2>&1 | grep -oE '^ *max.message.bytes=[0-9]+')"
  see list "$(alter --add-config cleanup.policy=[compact,delete])"
  see 'bad value' "$(alter --add-config retention.ms=soon)"
  see 'unknown config' "$(alter --add-config no.such=1)"
  see 'broker' "$(tool ConfigCommand "${server[@]}" --entity-type brokers --entity-default --describe 2>&1 | head -n 1)"
}

scenario_admin_records() {
  create "$1" 1
  fill "$1" 100
  delete() {
    echo "{\"version\":1,\"partitions\":[{\"topic\":\"$1\",\"partition\":0,\"offset\":$2}]}" >"$files/delete.json"
    tool DeleteRecordsCommand "${server[@]}" --offset-json-file "$files/delete.json" 2>&1 | sed "s/$1/T/g" | grep -E '^partition'
  }
  see delete "$(delete "$1" 40)"
  see 'beyond the end' "$(delete "$1" 500 | grep -oE '[A-Za-z]+Exception')"
  check earliest "$(offsets "$1" --time -2)" "$1:0:40"
  check records "$(consume "$1" --offset earliest --max-messages 60 --timeout-ms 15000)" "$(seq 40 99)"
}

scenario_admin_cluster() {
  create "$1" 1
  fill "$1" 100
  local versions
  see 'cluster id' "$(tool ClusterTool cluster-id "${server[@]}" 2>&1 | grep -c '^Cluster ID: ..')"
  versions=$(tool BrokerApiVersionsCommand "${server[@]}" 2>&1)
  see produce "$(grep -oE 'Produce\(0\): [^ ,]* to [0-9]+' <<<"$versions")"
  detail "$(grep -c 'usable' <<<"$versions") usable calls, $(grep -c 'UNSUPPORTED\|UNKNOWN' <<<"$versions") others"
  see 'log dirs' "$(tool LogDirsCommand "${server[@]}" --describe --topic-list "$1" 2>&1 | grep -cE '"size":[1-9]')"
  see features "$(tool FeatureCommand "${server[@]}" describe >/dev/null 2>&1 && echo ok)"
}

scenario_auto_create() {
  see 'consuming' "$(outcome ConsoleConsumer "${server[@]}" --topic "$1" --partition 0 --offset earliest --timeout-ms 3000 \
    --command-property allow.auto.create.topics=false)"
  see 'exists then' "$(topics --list | grep -cxF "$1")"
  echo v | produce "$1"
  see 'exists at the end' "$(topics --list | grep -cxF "$1")"
}

run_scenarios
