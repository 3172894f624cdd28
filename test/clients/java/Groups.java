import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** What members of a consumer group see: who owns what, and which records. */
class Groups {
  static final int PARTITIONS = 6;
  static final int KEYS = 24;
  static final int ROUND = 240;
  /** The shortest that brokers allow. */
  static final int SESSION_MS = 6_000;

  static void addTo(Map<String, Main.Scenario> scenarios) {
    scenarios.put("group-range", topic -> members(topic, RangeAssignor.class));
    scenarios.put("group-roundrobin", topic -> members(topic, RoundRobinAssignor.class));
    scenarios.put("group-cooperative", topic -> members(topic, CooperativeStickyAssignor.class));
    scenarios.put("group-static", Groups::staticMembers);
    scenarios.put("group-killed", Groups::killed);
    scenarios.put("group-commits", GroupOffsets::commits);
    scenarios.put("group-reset", GroupOffsets::reset);
    scenarios.put("group-admin", GroupOffsets::admin);
  }

  /** A member in a thread of its own, that commits what it has read after each poll. */
  static class Member {
    final List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
    final Set<Integer> owned = ConcurrentHashMap.newKeySet();
    final AtomicReference<Exception> failure = new AtomicReference<>();
    volatile int revoked;
    volatile int assigned;
    private volatile boolean stopping;
    private final Thread thread;

    Member(String topic, String group, Object... settings) {
      var consumer = groupConsumer(group, settings);
      thread = new Thread(() -> {
        try (consumer) {
          consumer.subscribe(List.of(topic), listener());
          while (!stopping) {
            var polled = consumer.poll(Duration.ofMillis(100));
            synchronized (records) {
              polled.forEach(records::add);
            }
            if (!polled.isEmpty()) commit(consumer);
          }
        } catch (Exception e) {
          failure.set(e);
        }
      });
      thread.start();
    }

    private static void commit(KafkaConsumer<byte[], byte[]> consumer) {
      try {
        consumer.commitSync();
      } catch (org.apache.kafka.common.errors.RebalanceInProgressException | org.apache.kafka.clients.consumer.CommitFailedException e) {
        // Whoever gets the partition reads them again.
      }
    }

    private ConsumerRebalanceListener listener() {
      return new ConsumerRebalanceListener() {
        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
          revoked += partitions.size();
          partitions.forEach(each -> owned.remove(each.partition()));
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
          assigned++;
          partitions.forEach(each -> owned.add(each.partition()));
        }
      };
    }

    List<Integer> values() {
      synchronized (records) {
        return records.stream().map(record -> Integer.parseInt(new String(record.value()))).toList();
      }
    }

    void close() throws Exception {
      stopping = true;
      thread.join(20_000);
      if (failure.get() != null) throw failure.get();
    }
  }

  static KafkaConsumer<byte[], byte[]> groupConsumer(String group, Object... settings) {
    Object[] all = new Object[settings.length + 2];
    System.arraycopy(settings, 0, all, 0, settings.length);
    all[settings.length] = "group.id";
    all[settings.length + 1] = group;
    return Main.consumer(all);
  }

  /** Values FROM, FROM + 1, … with keys that come again every KEYS records. */
  static void produce(String topic, int from, int count) throws Exception {
    try (var producer = Main.producer("linger.ms", 1)) {
      for (int i = from; i < from + count; i++) producer.send(new ProducerRecord<>(topic, Main.bytes("key-" + i % KEYS), Main.bytes("" + i)));
    }
  }

  static void until(String what, BooleanSupplier holds) throws Exception {
    long deadline = System.nanoTime() + 40_000_000_000L;
    while (!holds.getAsBoolean()) {
      Main.check(System.nanoTime() < deadline, "not within 40 s: " + what);
      Thread.sleep(50);
    }
  }

  static boolean haveSeen(int from, int count, Member... members) {
    Set<Integer> all = new TreeSet<>();
    for (Member member : members) all.addAll(member.values());
    return IntStream.range(from, from + count).allMatch(all::contains);
  }

  static long times(int from, int count, Member... members) {
    long all = 0;
    for (Member member : members) all += member.values().stream().filter(value -> value >= from && value < from + count).count();
    return all;
  }

  /** The first time that a member sees a record comes behind those of the same key that were written before. */
  static void inOrderOfKeys(Member... members) {
    for (Member member : members) {
      Map<Integer, Integer> last = new HashMap<>();
      Set<Integer> known = new TreeSet<>();
      for (int value : member.values()) {
        if (!known.add(value)) continue;
        Integer before = last.put(value % KEYS, value);
        Main.check(before == null || before < value, value + " of a key came after " + before);
      }
    }
  }

  static long committed(String group) throws Exception {
    return Main.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().values().stream().mapToLong(OffsetAndMetadata::offset).sum();
  }

  static String members(String topic, Class<?> assignor) throws Exception {
    Main.create(topic, PARTITIONS);
    String group = topic + "-group";
    Object[] settings = {"partition.assignment.strategy", assignor.getName()};
    produce(topic, 0, ROUND);
    Member first = new Member(topic, group, settings);
    until("the first has all", () -> haveSeen(0, ROUND, first) && first.owned.size() == PARTITIONS);
    int revoked = first.revoked;
    Member second = new Member(topic, group, settings);
    for (int i = 0; i < 8; i++) {
      produce(topic, ROUND + i * ROUND / 8, ROUND / 8);
      Thread.sleep(200);
    }
    until("both share", () -> haveSeen(ROUND, ROUND, first, second) && first.owned.size() == 3 && second.owned.size() == 3);
    Main.see("revoked for the second", first.revoked - revoked);
    long twice = times(0, 2 * ROUND, first, second) - 2 * ROUND;
    produce(topic, 2 * ROUND, ROUND);
    until("both read", () -> haveSeen(2 * ROUND, ROUND, first, second));
    Main.see("seen while they are two", times(2 * ROUND, ROUND, first, second));
    second.close();
    until("the first has all again", () -> first.owned.size() == PARTITIONS);
    produce(topic, 3 * ROUND, ROUND);
    until("the first reads on", () -> haveSeen(3 * ROUND, ROUND, first));
    Main.see("seen when it is alone", times(3 * ROUND, ROUND, first));
    first.close();
    inOrderOfKeys(first, second);
    Main.see("committed", committed(group));
    produce(topic, 4 * ROUND, 30);
    Member third = new Member(topic, group, settings);
    Member other = new Member(topic, group + "-2", settings);
    until("a new member goes on, a second group has all", () -> haveSeen(4 * ROUND, 30, third) && haveSeen(0, 4 * ROUND + 30, other));
    third.close();
    other.close();
    inOrderOfKeys(third, other);
    Main.see("seen by a new member", third.values().size());
    Main.see("seen by a second group", other.values().size());
    Main.check(Main.seen.get("seen by a new member").equals("30") && Main.seen.get("committed").equals("" + 4 * ROUND), Main.seen.toString());
    return twice + " read twice as the second came";
  }

  static String staticMembers(String topic) throws Exception {
    Main.create(topic, PARTITIONS);
    String group = topic + "-group";
    Member first = new Member(topic, group, "group.instance.id", "first", "session.timeout.ms", 30_000);
    until("the first has all", () -> first.owned.size() == PARTITIONS);
    Member second = new Member(topic, group, "group.instance.id", "second", "session.timeout.ms", 30_000);
    until("both share", () -> first.owned.size() == 3 && second.owned.size() == 3);
    Set<Integer> before = new TreeSet<>(second.owned);
    int assigned = first.assigned;
    produce(topic, 0, ROUND);
    until("both read", () -> haveSeen(0, ROUND, first, second));
    // A static member that ends does not leave the group.
    second.close();
    produce(topic, ROUND, ROUND);
    Member again = new Member(topic, group, "group.instance.id", "second", "session.timeout.ms", 30_000);
    until("it comes back", () -> again.owned.size() == 3 && haveSeen(ROUND, ROUND, first, again));
    Main.see("the same partitions", before.equals(new TreeSet<>(again.owned)));
    Main.see("rebalances of the other", first.assigned - assigned);
    Main.see("seen after its return", times(ROUND, ROUND, first, again));
    var described = Main.admin.describeConsumerGroups(List.of(group)).all().get().get(group);
    Main.see("instances", new TreeSet<>(described.members().stream().map(member -> member.groupInstanceId().orElse("none")).toList()));
    // Another one with its name takes its place; the client goes on until it hears of it.
    Member twin = new Member(topic, group, "group.instance.id", "second", "session.timeout.ms", 30_000);
    until("the one before is fenced", () -> again.failure.get() != null);
    Main.see("fenced", again.failure.get().getClass().getSimpleName());
    until("the new one has its place", () -> twin.owned.size() == 3);
    var gone = List.of(new org.apache.kafka.clients.admin.MemberToRemove("second"));
    twin.close();
    Main.see("removed", Main.outcome(() -> Main.admin.removeMembersFromConsumerGroup(group, new org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions(gone)).all()));
    until("the first has all again", () -> first.owned.size() == PARTITIONS);
    first.close();
    inOrderOfKeys(first, second, again);
    return "";
  }

  static String killed(String topic) throws Exception {
    Main.create(topic, PARTITIONS);
    String group = topic + "-group";
    Member first = new Member(topic, group, "session.timeout.ms", SESSION_MS, "heartbeat.interval.ms", 1_000);
    until("the first has all", () -> first.owned.size() == PARTITIONS);
    String java = System.getProperty("java.home") + File.separator + "bin" + File.separator + "java";
    ProcessBuilder builder = new ProcessBuilder(java, "-Xmx128m", "-cp", System.getProperty("java.class.path"), "Main");
    builder.environment().putAll(Map.of("MEMBER_OF", group, "TOPIC", topic));
    Process child = builder.redirectError(ProcessBuilder.Redirect.DISCARD).start();
    try {
      Set<Integer> itsOwn = ConcurrentHashMap.newKeySet();
      Thread reader = new Thread(() -> new BufferedReader(new InputStreamReader(child.getInputStream())).lines()
          .filter(line -> line.startsWith("read ")).forEach(line -> itsOwn.add(Integer.parseInt(line.substring(5)))));
      reader.start();
      until("both share", () -> first.owned.size() == 3);
      produce(topic, 0, ROUND);
      until("both read", () -> {
        Set<Integer> all = new TreeSet<>(itsOwn);
        all.addAll(first.values());
        return all.size() == ROUND;
      });
      Main.check(!itsOwn.isEmpty() && !haveSeen(0, ROUND, first), "the other process has read " + itsOwn.size());
      long before = System.nanoTime();
      child.destroyForcibly().waitFor();
      until("it takes over", () -> first.owned.size() == PARTITIONS);
      long ms = (System.nanoTime() - before) / 1_000_000;
      // The other one has committed nothing.
      until("it reads what the other had read", () -> haveSeen(0, ROUND, first));
      first.close();
      inOrderOfKeys(first);
      Main.see("committed", committed(group));
      Main.check(ms > SESSION_MS - 2_000 && ms < SESSION_MS + 9_000, "taken over after " + ms + " ms");
      return "taken over after " + ms + " ms";
    } finally {
      child.destroyForcibly();
    }
  }

  /** The process that is killed: a member that commits nothing. */
  static void member() throws Exception {
    try (var consumer = groupConsumer(System.getenv("MEMBER_OF"), "session.timeout.ms", SESSION_MS, "heartbeat.interval.ms", 1_000)) {
      consumer.subscribe(List.of(System.getenv("TOPIC")));
      while (true) {
        for (var record : consumer.poll(Duration.ofMillis(100))) System.out.println("read " + new String(record.value()));
        System.out.flush();
      }
    }
  }
}
