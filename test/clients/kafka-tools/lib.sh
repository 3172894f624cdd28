# Sourced by programs that are shell scripts: runs the scenarios of SCENARIO, each a function `scenario_NAME TOPIC` that
# calls see, check, not_applicable and detail, and prints their lines.

problem='' missing='' said='' seen=''

quote() { printf '"%s"' "$(printf '%s' "$1" | tr '\n\t' '  ' | sed 's/\\/\\\\/g; s/"/\\"/g')"; }

# What a user sees: see KEY VALUE
see() { seen+="${seen:+,}$(quote "$1"):$(quote "$2")"; }
detail() { said=$1; }
not_applicable() { missing=$1; }
# The first difference counts: check WHAT FOUND EXPECTED
check() { [ "$2" = "$3" ] || problem=${problem:-"$1: ${2:0:200} instead of ${3:0:200}"}; }

# A class of Kafka's command line tools: tool CLASS ARGS...
tool() {
  local class=$1
  shift
  case $class in
    ConsoleConsumer) class=org.apache.kafka.tools.consumer.$class ;;
    ConsumerGroupCommand) class=org.apache.kafka.tools.consumer.group.$class ;;
    ConfigCommand) class=kafka.admin.$class ;;
    *) class=org.apache.kafka.tools.$class ;;
  esac
  timeout 60 java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
    "$class" "$@"
}

# "ok", or the name of the error in what a tool said: outcome CLASS ARGS...
outcome() {
  local output status=0
  output=$(tool "$@" 2>&1) || status=$?
  error_in "$output" "$status"
}

error_in() {
  local error
  error=$(grep -oE '\b[A-Za-z]+Exception\b' <<<"$1" | grep -vE '^(Execution|Completion|Kafka|Runtime)Exception$' | tail -n 1)
  if [ -n "$error" ]; then echo "$error"; elif [ "$2" = 0 ]; then echo ok; else head -n 1 <<<"$1"; fi
}

create() { tool TopicCommand --bootstrap-server "$BOOTSTRAP" --create --topic "$1" --partitions "$2" "${@:3}" >&2; }

run_scenarios() {
  local name topic ok
  for name in ${SCENARIO//,/ }; do
    problem='' missing='' said='' seen=''
    topic=$RUN-$name
    case $name in
      roundtrip-*) scenario_roundtrip "$topic" "${name#roundtrip-}" ;;
      *) "scenario_${name//-/_}" "$topic" ;;
    esac
    ok=true
    [ -z "$problem" ] || ok=false
    printf '{"scenario":%s,"ok":%s,"detail":%s%s,"seen":{%s}}\n' "$(quote "$name")" "$ok" "$(quote "${problem:-$said}")" \
      "${missing:+,\"na\":$(quote "$missing")}" "$seen"
  done
}
