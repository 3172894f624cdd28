import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Apache Kafka's own client. */
public class Main {
  static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
  static final long BASE = System.currentTimeMillis() - 3_600_000;
  static final Duration POLL = Duration.ofMillis(200);
  static Map<String, String> seen;
  static Admin admin;

  interface Scenario {
    /** Returns a figure to print, or "". */
    String run(String topic) throws Exception;
  }

  static class NotApplicable extends RuntimeException {
    NotApplicable(String why) {
      super(why);
    }
  }

  public static void main(String[] words) throws Exception {
    if (System.getenv("MEMBER_OF") != null) Groups.member();
    admin = Admin.create(Map.of("bootstrap.servers", BOOTSTRAP, "default.api.timeout.ms", 30_000));
    Map<String, Scenario> scenarios = new HashMap<>();
    for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
      scenarios.put("roundtrip-" + codec, topic -> roundtrip(topic, codec));
    }
    scenarios.put("partitioner", Main::partitioner);
    scenarios.put("acks", Main::acks);
    scenarios.put("idempotent", Main::idempotent);
    scenarios.put("large", Main::large);
    scenarios.put("offsets", Main::offsets);
    scenarios.put("seek", Main::seek);
    scenarios.put("long-poll", Main::longPoll);
    scenarios.put("admin-topics", Main::adminTopics);
    scenarios.put("admin-configs", Main::adminConfigs);
    scenarios.put("admin-records", Main::adminRecords);
    scenarios.put("admin-cluster", Main::adminCluster);
    scenarios.put("auto-create", Main::autoCreate);
    scenarios.put("recreate", Main::recreate);
    Groups.addTo(scenarios);
    for (String name : System.getenv("SCENARIO").split(",")) {
      seen = new TreeMap<>();
      try {
        print(name, true, "detail", scenarios.get(name).run(System.getenv("RUN") + "-" + name));
      } catch (NotApplicable e) {
        print(name, false, "na", e.getMessage());
      } catch (Throwable e) {
        Throwable cause = e instanceof ExecutionException ? e.getCause() : e;
        print(name, false, "detail", cause.toString());
      }
    }
    System.exit(0);
  }

  static void print(String name, boolean ok, String key, String text) {
    String pairs = seen.entrySet().stream()
        .map(e -> quote(e.getKey()) + ":" + quote(e.getValue()))
        .collect(Collectors.joining(","));
    System.out.printf("{\"scenario\":%s,\"ok\":%b,%s:%s,\"seen\":{%s}}%n", quote(name), ok, quote(key), quote(text), pairs);
  }

  static String quote(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replaceAll("\\s", " ") + '"';
  }

  static void check(boolean holds, String what) {
    if (!holds) throw new AssertionError(what);
  }

  static void see(String key, Object value) {
    seen.put(key, String.valueOf(value));
  }

  /** "ok", or the name of the error. */
  static String outcome(Callable<?> call) {
    try {
      Object result = call.call();
      if (result instanceof Future<?> future) future.get(30, TimeUnit.SECONDS);
      return "ok";
    } catch (ExecutionException e) {
      return e.getCause().getClass().getSimpleName();
    } catch (Exception e) {
      return e.getClass().getSimpleName();
    }
  }

  static void create(String topic, int partitions, String... configs) throws Exception {
    Map<String, String> map = new HashMap<>();
    for (int i = 0; i < configs.length; i += 2) map.put(configs[i], configs[i + 1]);
    admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(map))).all().get();
    settle(() -> outcome(() -> admin.describeTopics(List.of(topic)).allTopicNames()), "ok");
  }

  static KafkaProducer<byte[], byte[]> producer(Object... settings) {
    return new KafkaProducer<>(config(settings), new ByteArraySerializer(), new ByteArraySerializer());
  }

  static KafkaConsumer<byte[], byte[]> consumer(Object... settings) {
    Map<String, Object> config = config(settings);
    config.putIfAbsent("auto.offset.reset", "earliest");
    config.put("enable.auto.commit", false);
    config.put("metadata.max.age.ms", 1_000);
    return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
  }

  static Map<String, Object> config(Object... settings) {
    Map<String, Object> map = new HashMap<>(Map.of("bootstrap.servers", BOOTSTRAP));
    for (int i = 0; i < settings.length; i += 2) map.put((String) settings[i], settings[i + 1]);
    return map;
  }

  static byte[] bytes(String text) {
    return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
  }

  static ProducerRecord<byte[], byte[]> numbered(String topic, int i, int partitions) {
    String value = switch (i % 7) {
      case 3 -> null;
      case 4 -> "";
      default -> "value-" + i + "-" + "x".repeat(i % 50 * 10);
    };
    var record = new ProducerRecord<>(topic, i % partitions, BASE + i * 1_000L, bytes(i % 5 == 0 ? null : "key-" + i), bytes(value));
    if (i % 3 == 0) return record;
    record.headers().add("a", bytes("h" + i)).add("a", bytes("again")).add("b", bytes("")).add("c", null);
    return record;
  }

  static String text(byte[] key, byte[] value, Iterable<Header> headers, long timestamp) {
    StringBuilder all = new StringBuilder(Arrays.toString(key) + Arrays.toString(value) + timestamp);
    for (Header header : headers) all.append(header.key()).append(Arrays.toString(header.value()));
    return all.toString();
  }

  /** Values "0", "1", … on partition 0, a second apart. */
  static void fill(String topic, int records) throws Exception {
    try (var producer = producer()) {
      for (int i = 0; i < records; i++) producer.send(new ProducerRecord<>(topic, 0, BASE + i * 1_000L, null, bytes("" + i)));
    }
  }

  /** Reads until there are so many, or ten seconds are over. */
  static List<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> consumer, int count) {
    List<ConsumerRecord<byte[], byte[]>> all = new ArrayList<>();
    long deadline = System.currentTimeMillis() + 10_000;
    while (all.size() < count && System.currentTimeMillis() < deadline) consumer.poll(POLL).forEach(all::add);
    return all;
  }

  static List<ConsumerRecord<byte[], byte[]>> readAll(String topic, int partitions, int count) {
    try (var consumer = consumer()) {
      consumer.assign(IntStream.range(0, partitions).mapToObj(p -> new TopicPartition(topic, p)).toList());
      return read(consumer, count);
    }
  }

  static String roundtrip(String topic, String codec) throws Exception {
    create(topic, 12);
    Map<String, String> expected = new HashMap<>();
    try (var producer = producer("compression.type", codec, "linger.ms", 50)) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
      for (int i = 0; i < 240; i++) {
        records.add(numbered(topic, i, 12));
        sent.add(producer.send(records.get(i)));
      }
      for (int i = 0; i < 240; i++) {
        var record = records.get(i);
        String place = record.partition() + "@" + sent.get(i).get().offset();
        expected.put(place, text(record.key(), record.value(), record.headers(), record.timestamp()));
      }
    }
    var all = readAll(topic, 12, 240);
    check(all.size() == 240, all.size() + " records of 240 came back");
    for (var record : all) {
      String place = record.partition() + "@" + record.offset();
      String found = text(record.key(), record.value(), record.headers(), record.timestamp());
      check(found.equals(expected.get(place)), place + " has changed");
    }
    see("offsets", expected.keySet().stream().sorted().toList().hashCode());
    return "";
  }

  static String partitioner(String topic) throws Exception {
    create(topic, 12);
    StringBuilder partitions = new StringBuilder();
    try (var producer = producer()) {
      for (int i = 0; i < 100; i++) {
        partitions.append(producer.send(new ProducerRecord<>(topic, bytes("key-" + i), bytes("v"))).get().partition()).append(' ');
      }
    }
    byte[] hash = MessageDigest.getInstance("MD5").digest(bytes(partitions.toString().trim()));
    see("partitions", HexFormat.of().formatHex(hash).substring(0, 8));
    return "keys " + seen.get("partitions");
  }

  static String acks(String topic) throws Exception {
    create(topic, 1);
    for (String acks : List.of("0", "1", "all")) {
      try (var producer = producer("acks", acks, "enable.idempotence", false)) {
        for (int i = 0; i < 20; i++) {
          long offset = producer.send(new ProducerRecord<>(topic, 0, null, bytes(acks + i))).get().offset();
          if (i == 19) see("acks=" + acks, offset);
        }
      }
    }
    int count = readAll(topic, 1, 60).size();
    check(count == 60, count + " records of 60");
    return "";
  }

  static String idempotent(String topic) throws Exception {
    create(topic, 1);
    try (var producer = producer("enable.idempotence", true, "max.in.flight.requests.per.connection", 5, "batch.size", 200, "linger.ms", 0)) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (int i = 0; i < 2_000; i++) sent.add(producer.send(new ProducerRecord<>(topic, 0, null, bytes("" + i))));
      for (var each : sent) each.get();
    }
    inOrder(readAll(topic, 1, 2_000), 0, 2_000);
    return "";
  }

  static void inOrder(List<ConsumerRecord<byte[], byte[]>> records, int from, int to) {
    check(records.size() == to - from, records.size() + " records of " + (to - from));
    for (int i = from; i < to; i++) {
      String value = new String(records.get(i - from).value());
      check(value.equals("" + i), "record " + i + " is " + value);
    }
  }

  static String large(String topic) throws Exception {
    create(topic, 1, "max.message.bytes", "2097152");
    try (var producer = producer("max.request.size", 8_000_000, "buffer.memory", 64_000_000L)) {
      for (int size : List.of(1_048_576, 2_000_000)) producer.send(new ProducerRecord<>(topic, new byte[size])).get();
      see("too large", outcome(() -> producer.send(new ProducerRecord<>(topic, new byte[3_000_000]))));
    }
    see("sizes", readAll(topic, 1, 2).stream().map(record -> record.value().length).toList());
    return "";
  }

  static String offsets(String topic) throws Exception {
    create(topic, 1);
    fill(topic, 99);
    try (var producer = producer()) {
      producer.send(new ProducerRecord<>(topic, 0, BASE, null, bytes("late"))).get();
    }
    TopicPartition partition = new TopicPartition(topic, 0);
    try (var consumer = consumer()) {
      see("earliest", consumer.beginningOffsets(List.of(partition)).get(partition));
      see("latest", consumer.endOffsets(List.of(partition)).get(partition));
      for (long after : new long[] {50_000, 50_001, 500_000}) {
        OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, BASE + after)).get(partition);
        see("at " + after, found == null ? "none" : found.offset() + " +" + (found.timestamp() - BASE));
      }
    }
    var max = admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition).get();
    see("max timestamp", max.offset() + " +" + (max.timestamp() - BASE));
    for (var spec : Map.of("earliest local", OffsetSpec.earliestLocal(), "latest tiered", OffsetSpec.latestTiered()).entrySet()) {
      see(spec.getKey(), outcome(() -> see2(spec.getKey(), admin.listOffsets(Map.of(partition, spec.getValue())).partitionResult(partition).get().offset())));
    }
    check(seen.get("earliest").equals("0") && seen.get("latest").equals("100"), "earliest and latest: " + seen);
    check(seen.get("at 50001").startsWith("51 ") && seen.get("max timestamp").startsWith("98 "), "by time: " + seen);
    return "";
  }

  static Object see2(String key, Object value) {
    see(key + " offset", value);
    return value;
  }

  static String seek(String topic) throws Exception {
    create(topic, 1);
    fill(topic, 100);
    TopicPartition partition = new TopicPartition(topic, 0);
    try (var consumer = consumer()) {
      consumer.assign(List.of(partition));
      consumer.seek(partition, 50);
      inOrder(read(consumer, 50), 50, 100);
      consumer.seek(partition, 5_000);
      inOrder(read(consumer, 100), 0, 100);
    }
    try (var consumer = consumer("auto.offset.reset", "none")) {
      consumer.assign(List.of(partition));
      consumer.seek(partition, 5_000);
      see("out of range", outcome(() -> read(consumer, 1)));
    }
    check(seen.get("out of range").equals("OffsetOutOfRangeException"), seen.toString());
    return "";
  }

  static String longPoll(String topic) throws Exception {
    create(topic, 1);
    fill(topic, 1);
    try (var consumer = consumer("fetch.max.wait.ms", 2_000); var producer = producer("linger.ms", 0)) {
      producer.partitionsFor(topic);
      TopicPartition partition = new TopicPartition(topic, 0);
      consumer.assign(List.of(partition));
      check(read(consumer, 1).size() == 1, "the first record");
      long before = System.nanoTime();
      check(consumer.poll(Duration.ofMillis(300)).isEmpty(), "nothing to read");
      long emptyMs = (System.nanoTime() - before) / 1_000_000;
      check(emptyMs < 2_000, "an empty poll took " + emptyMs + " ms");
      long[] sentAt = new long[1];
      Thread thread = new Thread(() -> {
        try {
          Thread.sleep(700);
          sentAt[0] = System.nanoTime();
          producer.send(new ProducerRecord<>(topic, 0, null, bytes("now"))).get();
        } catch (Exception e) {
          throw new IllegalStateException(e);
        }
      });
      thread.start();
      check(read(consumer, 1).size() == 1, "the record that was waited for");
      long ms = (System.nanoTime() - sentAt[0]) / 1_000_000;
      thread.join();
      check(ms < 500, "it came after " + ms + " ms");
      return ms + " ms";
    }
  }

  static String adminTopics(String topic) throws Exception {
    create(topic, 3, "retention.ms", "3600000");
    see("listed", admin.listTopics().names().get().contains(topic));
    TopicDescription described = describe(topic);
    see("described", described.partitions().size() + " partitions, leader is a node: " + described.partitions().stream().allMatch(p -> p.leader() != null && p.isr().size() == 1));
    see("internal", described.isInternal());
    check(!described.topicId().toString().equals("AAAAAAAAAAAAAAAAAAAAAA"), "no topic id");
    see("by id", admin.describeTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(described.topicId()))).allTopicIds().get().get(described.topicId()).name().equals(topic));
    see("again", outcome(() -> admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all()));
    see("0 partitions", outcome(() -> admin.createTopics(List.of(new NewTopic(topic + "-0", 0, (short) 1))).all()));
    see("defaults", outcome(() -> admin.createTopics(List.of(new NewTopic(topic + "-d", Optional.empty(), Optional.empty()))).all()));
    see("default partitions", describe(topic + "-d").partitions().size());
    see("9 replicas", outcome(() -> admin.createTopics(List.of(new NewTopic(topic + "-9", 1, (short) 9))).all()));
    see("bad name", outcome(() -> admin.createTopics(List.of(new NewTopic("a/b", 1, (short) 1))).all()));
    see("bad config", outcome(() -> admin.createTopics(List.of(new NewTopic(topic + "-c", 1, (short) 1).configs(Map.of("retention.ms", "soon")))).all()));
    see("unknown config", outcome(() -> admin.createTopics(List.of(new NewTopic(topic + "-u", 1, (short) 1).configs(Map.of("no.such", "1")))).all()));
    see("validate only", outcome(() -> admin.createTopics(List.of(new NewTopic(topic + "-v", 1, (short) 1)), new org.apache.kafka.clients.admin.CreateTopicsOptions().validateOnly(true)).all()));
    see("unknown", outcome(() -> admin.describeTopics(List.of(topic + "-none")).allTopicNames()));
    see("more partitions", outcome(() -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all()));
    see("fewer partitions", outcome(() -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(2))).all()));
    see("partitions", settle(() -> String.valueOf(describe(topic).partitions().size()), "5"));
    see("delete", outcome(() -> admin.deleteTopics(List.of(topic)).all()));
    see("gone", settle(() -> outcome(() -> admin.describeTopics(List.of(topic)).allTopicNames()), "UnknownTopicOrPartitionException"));
    see("delete again", outcome(() -> admin.deleteTopics(List.of(topic)).all()));
    check(seen.get("again").equals("TopicExistsException") && seen.get("partitions").equals("5"), seen.toString());
    return "";
  }

  static TopicDescription describe(String topic) throws Exception {
    return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
  }

  /** Asks until the answer is this one, at most five seconds: admin answers may come before brokers know. */
  static String settle(Callable<String> ask, String expected) throws Exception {
    String last = "";
    for (int i = 0; i < 50 && !last.equals(expected); i++) {
      if (i > 0) Thread.sleep(100);
      last = ask.call();
    }
    return last;
  }

  @SuppressWarnings("deprecation")
  static String adminConfigs(String topic) throws Exception {
    create(topic, 1, "retention.ms", "3600000");
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    see("created", entries(resource, "retention.ms", "cleanup.policy", "max.message.bytes"));
    see("incremental", outcome(() -> alter(resource, AlterConfigOp.OpType.SET, "max.message.bytes", "2000000")));
    see("delete", outcome(() -> alter(resource, AlterConfigOp.OpType.DELETE, "retention.ms", "")));
    see("append", outcome(() -> alter(resource, AlterConfigOp.OpType.APPEND, "cleanup.policy", "compact")));
    see("subtract", outcome(() -> alter(resource, AlterConfigOp.OpType.SUBTRACT, "cleanup.policy", "compact")));
    see("altered", settle(() -> entries(resource, "retention.ms", "cleanup.policy", "max.message.bytes"),
        "retention.ms=604800000 DEFAULT_CONFIG, cleanup.policy=delete DYNAMIC_TOPIC_CONFIG, max.message.bytes=2000000 DYNAMIC_TOPIC_CONFIG"));
    see("bad value", outcome(() -> alter(resource, AlterConfigOp.OpType.SET, "retention.ms", "soon")));
    see("unknown config", outcome(() -> alter(resource, AlterConfigOp.OpType.SET, "no.such", "1")));
    ConfigResource none = new ConfigResource(ConfigResource.Type.TOPIC, topic + "-none");
    see("unknown topic", outcome(() -> admin.describeConfigs(List.of(none)).all()));
    see("alter unknown topic", outcome(() -> alter(none, AlterConfigOp.OpType.SET, "retention.ms", "1")));
    String id = admin.describeCluster().nodes().get().iterator().next().idString();
    ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, id);
    see("broker has configs", !admin.describeConfigs(List.of(broker)).all().get().get(broker).entries().isEmpty());
    see("listed resources", admin.listConfigResources().all().get().contains(resource));
    return "";
  }

  static Future<Void> alter(ConfigResource resource, AlterConfigOp.OpType type, String name, String value) {
    Collection<AlterConfigOp> ops = List.of(new AlterConfigOp(new ConfigEntry(name, value), type));
    return admin.incrementalAlterConfigs(Map.of(resource, ops)).all();
  }

  static String entries(ConfigResource resource, String... names) throws Exception {
    Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
    return Arrays.stream(names).map(name -> config.get(name) == null ? name + " missing" : name + "=" + config.get(name).value() + " " + config.get(name).source())
        .collect(Collectors.joining(", "));
  }

  static String adminRecords(String topic) throws Exception {
    create(topic, 1);
    fill(topic, 100);
    TopicPartition partition = new TopicPartition(topic, 0);
    see("low watermark", admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(40))).lowWatermarks().get(partition).get().lowWatermark());
    see("beyond the end", outcome(() -> admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(500))).all()));
    see("earliest", admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).partitionResult(partition).get().offset());
    inOrder(readAll(topic, 1, 60), 40, 100);
    see("all", admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(-1))).lowWatermarks().get(partition).get().lowWatermark());
    return "";
  }

  static String adminCluster(String topic) throws Exception {
    create(topic, 1);
    fill(topic, 100);
    var cluster = admin.describeCluster();
    Collection<Node> nodes = cluster.nodes().get();
    see("nodes", nodes.size());
    see("controller is a node", nodes.stream().anyMatch(node -> node.id() == uncheck(() -> cluster.controller().get().id())));
    check(!cluster.clusterId().get().isEmpty(), "no cluster id");
    int id = nodes.iterator().next().id();
    var directories = admin.describeLogDirs(List.of(id)).allDescriptions().get().get(id);
    see("log dirs", directories.size());
    TopicPartition partition = new TopicPartition(topic, 0);
    see("size is known", directories.values().stream().anyMatch(dir -> dir.replicaInfos().containsKey(partition) && dir.replicaInfos().get(partition).size() > 0));
    see("disk size is known", directories.values().stream().allMatch(dir -> dir.totalBytes().orElse(0) > 0));
    see("features", admin.describeFeatures().featureMetadata().get().finalizedFeatures() != null);
    return "";
  }

  static <T> T uncheck(Callable<T> call) {
    try {
      return call.call();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  static String autoCreate(String topic) throws Exception {
    try (var consumer = consumer("allow.auto.create.topics", false, "default.api.timeout.ms", 3_000, "request.timeout.ms", 3_000)) {
      see("not allowed", consumer.partitionsFor(topic).size());
      Thread.sleep(500);
      see("exists then", admin.listTopics().names().get().contains(topic));
    }
    try (var producer = producer("max.block.ms", 10_000)) {
      see("allowed", producer.partitionsFor(topic).size() > 0);
    }
    see("exists at the end", admin.listTopics().names().get().contains(topic));
    try (var producer = producer("max.block.ms", 1_000)) {
      see("bad name", outcome(() -> producer.partitionsFor("a/b")));
    }
    return "";
  }

  static String recreate(String topic) throws Exception {
    create(topic, 1);
    fill(topic, 10);
    TopicPartition partition = new TopicPartition(topic, 0);
    try (var consumer = consumer("allow.auto.create.topics", false)) {
      consumer.assign(List.of(partition));
      inOrder(read(consumer, 10), 0, 10);
      admin.deleteTopics(List.of(topic)).all().get();
      for (int i = 0; i < 10; i++) consumer.poll(POLL);
      create(topic, 1);
      fill(topic, 5);
      inOrder(read(consumer, 5), 0, 5);
    }
    return "";
  }
}
