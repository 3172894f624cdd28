import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AlterConsumerGroupOffsetsOptions;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;

/** What groups commit, and what an administrator sees and changes of them. */
class GroupOffsets {
  /** Polls until partitions are assigned. What it reads meanwhile counts as not read. */
  static void join(KafkaConsumer<byte[], byte[]> consumer, String topic, int partitions) {
    consumer.subscribe(List.of(topic));
    long deadline = System.currentTimeMillis() + 30_000;
    while (consumer.assignment().size() < partitions && System.currentTimeMillis() < deadline) consumer.poll(Duration.ofMillis(100));
    Main.check(consumer.assignment().size() == partitions, "assigned " + consumer.assignment());
  }

  static String text(OffsetAndMetadata committed) {
    return committed == null ? "none" : committed.offset() + " " + committed.metadata();
  }

  static String commits(String topic) throws Exception {
    Main.create(topic, 2);
    Main.fill(topic, 100);
    String group = topic + "-group";
    TopicPartition zero = new TopicPartition(topic, 0);
    TopicPartition one = new TopicPartition(topic, 1);
    try (var consumer = Groups.groupConsumer(group, "max.poll.records", 10)) {
      join(consumer, topic, 2);
      Main.see("before", consumer.committed(Set.of(zero)).get(zero));
      consumer.commitSync(Map.of(zero, new OffsetAndMetadata(42, "here")));
      Main.see("committed", text(consumer.committed(Set.of(zero)).get(zero)));
      var answered = new CompletableFuture<String>();
      consumer.commitAsync(Map.of(zero, new OffsetAndMetadata(43)), (offsets, error) -> answered.complete(String.valueOf(error)));
      while (!answered.isDone()) consumer.poll(Duration.ofMillis(50));
      Main.see("async", answered.get(1, TimeUnit.SECONDS) + ", " + text(consumer.committed(Set.of(zero)).get(zero)));
      Main.see("of the other", consumer.committed(Set.of(one)).get(one));
      Main.see("long metadata", Main.outcome(() -> commit(consumer, zero, new OffsetAndMetadata(1, "x".repeat(5_000)))));
      Main.see("unknown partition", Main.outcome(() -> commit(consumer, new TopicPartition(topic, 9), new OffsetAndMetadata(1))));
      try (var outsider = Groups.groupConsumer(group)) {
        outsider.assign(List.of(zero));
        Main.see("from outside", Main.outcome(() -> commit(outsider, zero, new OffsetAndMetadata(1))));
      }
    }
    try (var outsider = Groups.groupConsumer(group)) {
      outsider.assign(List.of(zero));
      Main.see("from outside when it is empty", Main.outcome(() -> commit(outsider, zero, new OffsetAndMetadata(44))));
    }
    try (var consumer = Groups.groupConsumer(group)) {
      consumer.subscribe(List.of(topic));
      Main.inOrder(Main.read(consumer, 56), 44, 100);
      consumer.seek(zero, 90);
      Main.inOrder(Main.read(consumer, 10), 90, 100);
      consumer.seekToBeginning(List.of(zero));
      Main.inOrder(Main.read(consumer, 100), 0, 100);
    }
    // By itself as it closes.
    var config = Main.config("group.id", group, "enable.auto.commit", true, "auto.offset.reset", "earliest");
    try (var consumer = new KafkaConsumer<>(config, new org.apache.kafka.common.serialization.ByteArrayDeserializer(), new org.apache.kafka.common.serialization.ByteArrayDeserializer())) {
      consumer.subscribe(List.of(topic));
      Main.inOrder(Main.read(consumer, 56), 44, 100);
    }
    Main.see("by itself", Main.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(zero).offset());
    try (var consumer = Groups.groupConsumer(group + "-latest", "auto.offset.reset", "latest")) {
      join(consumer, topic, 2);
      Main.see("latest", consumer.position(zero));
    }
    try (var consumer = Groups.groupConsumer(group + "-none", "auto.offset.reset", "none")) {
      consumer.subscribe(List.of(topic));
      Main.see("no reset", Main.outcome(() -> Main.read(consumer, 1)));
    }
    try (var consumer = Groups.groupConsumer(group, "max.poll.interval.ms", 2_000, "session.timeout.ms", 6_000)) {
      join(consumer, topic, 2);
      Thread.sleep(4_000);
      Main.see("after too long a break", Main.outcome(() -> commit(consumer, zero, new OffsetAndMetadata(1))));
    }
    Main.check(Main.seen.get("committed").equals("42 here") && Main.seen.get("by itself").equals("100"), Main.seen.toString());
    return "";
  }

  static Object commit(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, OffsetAndMetadata offset) {
    consumer.commitSync(Map.of(partition, offset), Duration.ofSeconds(3));
    return null;
  }

  static String alter(String group, Map<TopicPartition, OffsetAndMetadata> offsets) {
    return Main.outcome(() -> Main.admin.alterConsumerGroupOffsets(group, offsets, new AlterConsumerGroupOffsetsOptions()).all());
  }

  static String offsetsOf(String group) throws Exception {
    var all = Main.admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
    return all.entrySet().stream().filter(e -> e.getValue() != null).collect(Collectors.toMap(e -> e.getKey().partition(), e -> text(e.getValue()), (a, b) -> a, TreeMap::new)).toString();
  }

  static String reset(String topic) throws Exception {
    Main.create(topic, 2);
    Main.fill(topic, 100);
    String group = topic + "-group";
    TopicPartition zero = new TopicPartition(topic, 0);
    TopicPartition one = new TopicPartition(topic, 1);
    // A group that is made by it.
    Main.see("of a new group", alter(group, Map.of(zero, new OffsetAndMetadata(70, "set"), one, new OffsetAndMetadata(0))));
    Main.see("offsets", offsetsOf(group));
    try (var consumer = Groups.groupConsumer(group)) {
      consumer.subscribe(List.of(topic));
      Main.inOrder(Main.read(consumer, 30), 70, 100);
      Main.see("while there are members", alter(group, Map.of(zero, new OffsetAndMetadata(0))));
      Main.see("delete while it is subscribed", Main.outcome(() -> Main.admin.deleteConsumerGroupOffsets(group, Set.of(zero)).partitionResult(zero)));
      consumer.commitSync();
    }
    Main.see("read", offsetsOf(group));
    Main.see("back", alter(group, Map.of(zero, new OffsetAndMetadata(10))));
    Main.see("unknown partition", alter(group, Map.of(new TopicPartition(topic, 9), new OffsetAndMetadata(10))));
    try (var consumer = Groups.groupConsumer(group)) {
      consumer.subscribe(List.of(topic));
      Main.inOrder(Main.read(consumer, 90), 10, 100);
      consumer.commitSync();
    }
    Main.see("delete", Main.outcome(() -> Main.admin.deleteConsumerGroupOffsets(group, Set.of(zero)).all()));
    Main.see("after", offsetsOf(group));
    Main.see("delete of an unknown group", Main.outcome(() -> Main.admin.deleteConsumerGroupOffsets(group + "-none", Set.of(zero)).all()));
    try (var consumer = Groups.groupConsumer(group)) {
      consumer.subscribe(List.of(topic));
      Main.inOrder(Main.read(consumer, 100), 0, 100);
    }
    Main.check(Main.seen.get("back").equals("ok") && Main.seen.get("delete").equals("ok"), Main.seen.toString());
    return "";
  }

  static String admin(String topic) throws Exception {
    Main.create(topic, 4);
    Main.fill(topic, 10);
    String group = topic + "-group";
    try (var consumer = Groups.groupConsumer(group, "client.id", "reader")) {
      join(consumer, topic, 4);
      consumer.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(5)));
      Main.see("listed", listed(group, new ListGroupsOptions()));
      Main.see("listed as stable", listed(group, new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE))));
      Main.see("listed as empty", listed(group, new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY))));
      Main.see("listed as classic", listed(group, new ListGroupsOptions().withTypes(Set.of(GroupType.CLASSIC))));
      Main.see("listed as of consumers", listed(group, ListGroupsOptions.forConsumerGroups()));
      Main.see("described", described(group));
      Main.see("as a classic group", Main.admin.describeClassicGroups(List.of(group)).all().get().get(group).protocolData());
      Main.see("delete when somebody is in it", Main.outcome(() -> Main.admin.deleteConsumerGroups(List.of(group)).all()));
    }
    Main.see("empty", described(group));
    Main.see("offsets", offsetsOf(group));
    Main.see("offsets of an unknown group", offsetsOf(group + "-none"));
    Main.see("unknown", Main.outcome(() -> described(group + "-none")));
    Main.see("delete", Main.outcome(() -> Main.admin.deleteConsumerGroups(List.of(group)).all()));
    Main.see("gone", Main.outcome(() -> described(group)));
    Main.see("offsets then", offsetsOf(group));
    Main.see("listed then", listed(group, new ListGroupsOptions()));
    Main.see("delete again", Main.outcome(() -> Main.admin.deleteConsumerGroups(List.of(group)).all()));
    Main.see("no name", Main.outcome(() -> Main.admin.deleteConsumerGroups(List.of("")).all()));
    Main.check(Main.seen.get("delete").equals("ok") && Main.seen.get("delete again").equals("GroupIdNotFoundException"), Main.seen.toString());
    return "";
  }

  static String listed(String group, ListGroupsOptions options) throws Exception {
    return Main.admin.listGroups(options).all().get().stream().filter(each -> each.groupId().equals(group))
        .map(each -> each.protocol() + " " + each.type().map(Object::toString).orElse("") + " " + each.groupState().map(Object::toString).orElse("")).toList().toString();
  }

  static String described(String group) throws Exception {
    ConsumerGroupDescription of = Main.admin.describeConsumerGroups(List.of(group)).all().get(10, TimeUnit.SECONDS).get(group);
    boolean known = Main.admin.describeCluster().nodes().get().stream().anyMatch(node -> node.id() == of.coordinator().id());
    var members = of.members().stream().map(member -> member.clientId() + " " + member.host() + " " + member.consumerId().matches("reader-[0-9a-f-]{36}") + " "
        + new TreeSet<>(member.assignment().topicPartitions().stream().map(TopicPartition::partition).toList())).toList();
    return of.groupState() + " " + of.type() + " '" + of.partitionAssignor() + "' simple " + of.isSimpleConsumerGroup() + ", coordinator known " + known + ", " + members;
  }
}
