// Kafka's ConsumerPerformance without a group: the same settings, the same loop, the same columns, but partitions that
// are assigned. So a broker's reads are measured, and not how long it makes a group wait for members.
//   AssignedConsumer BOOTSTRAP TOPIC RECORDS
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class AssignedConsumer {
  static final long SILENCE_MS_MAX = 30_000;

  public static void main(String[] args) {
    String topic = args[1];
    long wanted = Long.parseLong(args[2]);
    Properties settings = new Properties();
    settings.put("bootstrap.servers", args[0]);
    settings.put("receive.buffer.bytes", "2097152");
    settings.put("max.partition.fetch.bytes", "1048576");
    settings.put("check.crcs", "false");
    settings.put("enable.auto.commit", "false");
    long records = 0;
    long bytes = 0;
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> partitions =
          consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      long start = System.nanoTime();
      long last = start;
      while (records < wanted && System.nanoTime() - last < SILENCE_MS_MAX * 1_000_000) {
        ConsumerRecords<byte[], byte[]> polled = consumer.poll(Duration.ofMillis(100));
        if (polled.count() > 0) last = System.nanoTime();
        for (ConsumerRecord<byte[], byte[]> record : polled) {
          records++;
          if (record.key() != null) bytes += record.key().length;
          if (record.value() != null) bytes += record.value().length;
        }
      }
      double seconds = (last - start) / 1e9;
      double mebibytes = bytes / 1048576.0;
      System.out.println("data.consumed.in.MB, data.consumed.in.nMsg, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec");
      System.out.printf(
          java.util.Locale.ROOT,
          "%.4f, %d, %.0f, %.4f, %.4f%n",
          mebibytes, records, seconds * 1000, mebibytes / seconds, records / seconds);
    }
    if (records < wanted) {
      System.err.printf("only %d of %d records came, then none for %d ms%n", records, wanted, SILENCE_MS_MAX);
      System.exit(1);
    }
  }
}
