// A topic with many partitions: made, and until each of them has told its end.
//   AllPartitions BOOTSTRAP TOPIC create PARTITIONS | AllPartitions BOOTSTRAP TOPIC led PARTITIONS
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;

public class AllPartitions {
  static final int STEP = 5_000;

  public static void main(String[] args) throws Exception {
    String topic = args[1];
    int count = Integer.parseInt(args[3]);
    Properties settings = new Properties();
    settings.put("bootstrap.servers", args[0]);
    settings.put("request.timeout.ms", "120000");
    settings.put("default.api.timeout.ms", "300000");
    settings.put("reconnect.backoff.ms", "10");
    settings.put("reconnect.backoff.max.ms", "10");
    settings.put("retry.backoff.ms", "10");
    settings.put("retry.backoff.max.ms", "50");
    try (Admin admin = Admin.create(settings)) {
      if (args[2].equals("create")) {
        admin.listTopics().names().get();
        long start = System.nanoTime();
        // Apache Kafka refuses what comes to more than 10,000 records of its metadata in one request.
        int first = Math.min(count, STEP);
        admin.createTopics(List.of(new NewTopic(topic, first, (short) 1))).all().get();
        for (int has = first; has < count; ) {
          has = Math.min(count, has + STEP);
          grow(admin, topic, has);
        }
        double created = (System.nanoTime() - start) / 1e9;
        waitForAll(admin, topic, count);
        System.out.printf(java.util.Locale.ROOT, "created_s=%.3f all_s=%.3f%n", created, (System.nanoTime() - start) / 1e9);
      } else {
        System.out.println("ready");
        waitForAll(admin, topic, count);
        // Wall clock: the one who launched the broker knows since when.
        System.out.printf("all_at_ms=%d%n", System.currentTimeMillis());
      }
    }
  }

  /** Until it is done: a broker may not have heard of the step before. */
  static void grow(Admin admin, String topic, int count) throws Exception {
    while (true) {
      try {
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all().get();
        return;
      } catch (ExecutionException error) {
        if (!(error.getCause() instanceof RetriableException)) throw error;
        Thread.sleep(50);
      }
    }
  }

  static void waitForAll(Admin admin, String topic, int count) throws Exception {
    Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
    for (int i = 0; i < count; i++) wanted.put(new TopicPartition(topic, i), OffsetSpec.latest());
    while (true) {
      try {
        ListOffsetsResult result = admin.listOffsets(wanted, new ListOffsetsOptions().timeoutMs(60_000));
        result.all().get();
        return;
      } catch (ExecutionException error) {
        Thread.sleep(50);
      }
    }
  }
}
