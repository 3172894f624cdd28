# Sourced by main.sh: consumer groups with Kafka's command line tools.

produce_with_keys() { produce "$1" --reader-property parse.key=true; }

member() {
  local option options=()
  for option in "${MEMBER_OPTIONS[@]}"; do options+=(--command-property "$option"); done
  : >"$files/$1"
  java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
    org.apache.kafka.tools.consumer.ConsoleConsumer "${server[@]}" --topic "$2" --group "$3" --from-beginning "${options[@]}" \
    >"$files/$1" 2>"$files/$1.err" &
  printf -v "pid_$1" %s $!
}
fenced() { grep -oE 'FencedInstanceIdException' "$1" | head -n 1; }

scenario_group_range() { group_members "$1" org.apache.kafka.clients.consumer.RangeAssignor; }
scenario_group_roundrobin() { group_members "$1" org.apache.kafka.clients.consumer.RoundRobinAssignor; }
scenario_group_cooperative() { group_members "$1" org.apache.kafka.clients.consumer.CooperativeStickyAssignor; }

read_in_group() { tool ConsoleConsumer "${server[@]}" --topic "$1" --group "$1-group" --timeout-ms 8000 "${@:2}" 2>>"$files/stderr"; }
# What a tool says of a group, without names and times that differ from run to run.
said_of() { consumer_groups "${@:2}" 2>&1 | sed "s/$1/T/g" | grep -vE '^ *$' | sed -E 's/ +/ /g; s/ $//'; }

scenario_group_commits() {
  create "$1" 2
  fill "$1" 100
  MEMBER_OPTIONS=()
  local all
  all=$(tool GetOffsetShell "${server[@]}" --topic "$1" | awk -F: '{sum += $3} END {print sum}')
  check filled "$all" 100
  check 'the first 40' "$(read_in_group "$1" --from-beginning --max-messages 40 | wc -l)" 40
  check committed "$(committed "$1-group")" 40
  check 'the others' "$(read_in_group "$1" --from-beginning --max-messages 60 | wc -l)" 60
  check 'committed then' "$(committed "$1-group")" 100
  see 'no more' "$(read_in_group "$1" --from-beginning | wc -l)"
  see 'of a second group' "$(tool ConsoleConsumer "${server[@]}" --topic "$1" --group "$1-2" --from-beginning --max-messages 100 --timeout-ms 15000 2>/dev/null | wc -l)"
}

# The offsets that a reset sets.
reset_to() { consumer_groups --reset-offsets --group "$1-group" --topic "$1" "${@:2}" 2>&1 | awk '$2 == topic {print $3 ":" $4}' topic="$1" | sort | tr '\n' ' '; }

scenario_group_reset() {
  create "$1" 1
  fill "$1" 100
  MEMBER_OPTIONS=()
  check all "$(read_in_group "$1" --from-beginning --max-messages 100 | wc -l)" 100
  see 'dry run' "$(reset_to "$1" --to-offset 5 --dry-run)"
  check 'after the dry run' "$(committed "$1-group")" 100
  see 'to an offset' "$(reset_to "$1" --to-offset 70 --execute)"
  check 'read from there' "$(read_in_group "$1" --max-messages 30)" "$(seq 70 99)"
  see 'shift' "$(reset_to "$1" --shift-by -10 --execute)"
  see 'by time' "$(reset_to "$1" --to-datetime 2020-01-01T00:00:00.000 --execute)"
  see 'to current' "$(reset_to "$1" --to-current --execute)"
  see 'to the latest' "$(reset_to "$1" --to-latest --execute)"
  see 'beyond the end' "$(reset_to "$1" --to-offset 500 --execute)"
  see 'to the earliest' "$(reset_to "$1" --to-earliest --execute)"
  member first "$1" "$1-group"
  until_is 'read anew' 100 seen_of 0 100 "$files/first"
  see 'while there are members' "$(said_of "$1" --reset-offsets --group "$1-group" --topic "$1" --to-earliest --execute | head -n 1)"
  see 'delete while it is subscribed' "$(said_of "$1" --delete-offsets --group "$1-group" --topic "$1" | tr '\n' ' ')"
  leave first
  see 'delete' "$(said_of "$1" --delete-offsets --group "$1-group" --topic "$1" | tr '\n' ' ')"
  check 'committed at the end' "$(committed "$1-group")" 0
  check 'read from the start' "$(read_in_group "$1" --from-beginning --max-messages 100)" "$(seq 0 99)"
  kill_members first
}

scenario_group_admin() {
  create "$1" 1
  fill "$1" 10
  local group=$1-group
  MEMBER_OPTIONS=(client.id=reader)
  member first "$1" "$group"
  until_is 'it has all' '1 ' shares "$group"
  until_is 'it has committed' 10 committed "$group"
  see 'listed' "$(consumer_groups --list | grep -cxF "$group")"
  see 'listed with states' "$(said_of "$1" --list --state | grep T-group)"
  see 'listed as empty' "$(said_of "$1" --list --state Empty | grep -c T-group)"
  see 'listed with types' "$(said_of "$1" --list --type classic | grep T-group)"
  see 'kafka-groups' "$(tool GroupsCommand "${server[@]}" --list 2>&1 | grep -F "$group" | sed -E "s/$1/T/; s/ +/ /g")"
  see 'offsets' "$(said_of "$1" --describe --group "$group" | sed -E 's/reader-[0-9a-f-]{36}/ID/' | sort | tr '\n' ';')"
  see 'members' "$(said_of "$1" --describe --group "$group" --members --verbose | sed -E 's/reader-[0-9a-f-]{36}/ID/' | tr '\n' ';')"
  see 'state' "$(said_of "$1" --describe --group "$group" --state | sed -E 's/[0-9.]+:[0-9]+ \([0-9]+\)/NODE/' | tr '\n' ';')"
  see 'delete when somebody is in it' "$(said_of "$1" --delete --group "$group" | grep -oE '[A-Za-z]+Exception' | tail -n 1)"
  leave first
  see 'empty' "$(said_of "$1" --describe --group "$group" | tr '\n' ';')"
  see 'state then' "$(said_of "$1" --describe --group "$group" --state | sed -E 's/[0-9.]+:[0-9]+ \([0-9]+\)/NODE/' | tr '\n' ';')"
  see 'unknown' "$(said_of "$1" --describe --group "$group-none" | tr '\n' ';')"
  see 'delete' "$(said_of "$1" --delete --group "$group")"
  see 'delete again' "$(said_of "$1" --delete --group "$group" | grep -oE '[A-Za-z]+Exception' | tail -n 1)"
  see 'listed then' "$(consumer_groups --list | grep -cxF "$group")"
  kill_members first
}
