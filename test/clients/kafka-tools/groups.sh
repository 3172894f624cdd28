# Sourced by programs that are shell scripts: what members of a consumer group go through. A program says how one starts:
# `member NAME TOPIC GROUP` runs it in the background with its values in $files/NAME, its errors in $files/NAME.err and its
# process in pid_NAME; MEMBER_OPTIONS has a name and a value of the configuration in each word, joined by "=".

groups=(--bootstrap-server "$BOOTSTRAP")
KEYS=24
ROUND=240

consumer_groups() { tool ConsumerGroupCommand "${groups[@]}" "$@"; }
# Values FROM, FROM + 1, … with keys that come again every KEYS records.
produce_keyed() { seq "$2" $(($2 + $3 - 1)) | awk -v keys=$KEYS '{print "key-" $1 % keys "\t" $1}' | produce_with_keys "$1"; }
# How many partitions each member has.
shares() { consumer_groups --describe --members --group "$1" 2>/dev/null | awk '$1 == group {print $NF}' group="$1" | sort -n | tr '\n' ' '; }
# The sum of what is committed.
committed() { consumer_groups --describe --group "$1" 2>/dev/null | awk '$1 == group && $4 ~ /^[0-9]+$/ {sum += $4} END {print sum + 0}' group="$1"; }
# Which of the values FROM … were read, once each.
seen_of() { cat "${@:3}" | awk -v from="$1" -v count="$2" '$1 >= from && $1 < from + count' | sort -nu | wc -l; }
times_of() { cat "${@:3}" | awk -v from="$1" -v count="$2" '$1 >= from && $1 < from + count' | wc -l; }
# Asks until the answer is this one: until_is WHAT EXPECTED COMMAND...
until_is() {
  local end=$((SECONDS + 40)) found
  while found=$("${@:3}") || true; [ "$found" != "$2" ]; do
    if [ $SECONDS -ge $end ]; then
      check "$1" "$found" "$2"
      return
    fi
    sleep 0.2
  done
}
# The first time that a member sees a record comes behind those of the same key that were written before.
in_order_of_keys() {
  local file
  for file in "$@"; do
    check "order of keys" "$(awk -v keys=$KEYS '!known[$1]++ { key = $1 % keys; if (key in last && last[key] > $1) print $1; last[key] = $1 }' "$file")" ''
  done
}
pid_of() { local name=pid_$1; echo "${!name}"; }
# Ends a member so that it leaves.
leave() { kill -TERM "$(pid_of "$1")" && wait "$(pid_of "$1")" 2>/dev/null; }
kill_members() {
  local name
  for name in "$@"; do kill -KILL "$(pid_of "$name")" 2>/dev/null; done
}

group_members() {
  local group=$1-group
  MEMBER_OPTIONS=(partition.assignment.strategy="$2")
  create "$1" 6
  produce_keyed "$1" 0 $ROUND
  member first "$1" "$group"
  until_is 'the first has all' $ROUND seen_of 0 $ROUND "$files/first"
  member second "$1" "$group"
  produce_keyed "$1" $ROUND $ROUND
  until_is 'both share' '3 3 ' shares "$group"
  until_is 'both have all' $ROUND seen_of $ROUND $ROUND "$files/first" "$files/second"
  local twice=$(($(times_of 0 $((2 * ROUND)) "$files/first" "$files/second") - 2 * ROUND))
  produce_keyed "$1" $((2 * ROUND)) $ROUND
  until_is 'both read' $ROUND seen_of $((2 * ROUND)) $ROUND "$files/first" "$files/second"
  see 'seen while they are two' "$(times_of $((2 * ROUND)) $ROUND "$files/first" "$files/second")"
  leave second
  until_is 'the first has all again' '6 ' shares "$group"
  produce_keyed "$1" $((3 * ROUND)) $ROUND
  until_is 'the first reads on' $ROUND seen_of $((3 * ROUND)) $ROUND "$files/first"
  see 'seen when it is alone' "$(times_of $((3 * ROUND)) $ROUND "$files/first")"
  leave first
  in_order_of_keys "$files/first" "$files/second"
  see committed "$(committed "$group")"
  check committed "$(committed "$group")" $((4 * ROUND))
  produce_keyed "$1" $((4 * ROUND)) 30
  member third "$1" "$group"
  member other "$1" "$group-2"
  until_is 'a new member goes on' 30 seen_of $((4 * ROUND)) 30 "$files/third"
  until_is 'a second group has all' $((4 * ROUND + 30)) seen_of 0 $((4 * ROUND + 30)) "$files/other"
  leave third
  leave other
  in_order_of_keys "$files/third" "$files/other"
  check 'seen by a new member' "$(wc -l <"$files/third")" 30
  detail "$twice read twice as the second came"
  kill_members first second third other
}

scenario_group_static() {
  local group=$1-group before
  create "$1" 6
  MEMBER_OPTIONS=(group.instance.id=first session.timeout.ms=30000)
  member first "$1" "$group"
  MEMBER_OPTIONS=(group.instance.id=second session.timeout.ms=30000)
  member second "$1" "$group"
  until_is 'both share' '3 3 ' shares "$group"
  static_shares() {
    consumer_groups --describe --members --verbose --group "$1" 2>/dev/null |
      awk '$1 == group {print $3, $NF}' group="$1" | sed -E "s/[A-Za-z0-9_.-]*-group-static//g" | sort | tr '\n' ' '
  }
  before=$(static_shares "$group")
  produce_keyed "$1" 0 $ROUND
  until_is 'both read' $ROUND seen_of 0 $ROUND "$files/first" "$files/second"
  # A static member that ends does not leave the group.
  leave second
  check 'when it has gone' "$(static_shares "$group")" "$before"
  produce_keyed "$1" $ROUND $ROUND
  member again "$1" "$group"
  until_is 'it comes back' $ROUND seen_of $ROUND $ROUND "$files/first" "$files/again"
  check 'the same partitions' "$(static_shares "$group")" "$before"
  see shares "$before"
  member twin "$1" "$group"
  local end=$((SECONDS + 30))
  while kill -0 "$pid_again" 2>/dev/null && [ $SECONDS -lt $end ]; do sleep 0.2; done
  see 'the one before is fenced' "$(kill -0 "$pid_again" 2>/dev/null || fenced "$files/again.err")"
  kill_members first second again twin
}

scenario_group_killed() {
  local group=$1-group
  MEMBER_OPTIONS=(session.timeout.ms=6000 heartbeat.interval.ms=1000)
  create "$1" 6
  member first "$1" "$group"
  until_is 'the first has all' '6 ' shares "$group"
  MEMBER_OPTIONS+=(enable.auto.commit=false)
  member second "$1" "$group"
  until_is 'both share' '3 3 ' shares "$group"
  produce_keyed "$1" 0 $ROUND
  until_is 'both read' $ROUND seen_of 0 $ROUND "$files/first" "$files/second"
  check 'the first has some' "$(($(seen_of 0 $ROUND "$files/first") < ROUND))" 1
  local before
  before=$(date +%s%3N)
  kill_members second
  # The other one has committed nothing.
  until_is 'it reads what the other had read' $ROUND seen_of 0 $ROUND "$files/first"
  local ms=$(($(date +%s%3N) - before))
  check 'in time' "$((ms > 4000 && ms < 15000))" 1
  leave first
  in_order_of_keys "$files/first"
  see committed "$(committed "$group")"
  detail "taken over after $ms ms"
  kill_members first
}
