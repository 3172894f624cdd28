// Several producers at once, each with a thread of its own, one record a batch, acks=all, to the partitions in turn:
// ProducerPerformance is one producer, and as many JVMs would measure their own starts on two cores.
//   ManyProducers BOOTSTRAP TOPIC PRODUCERS RECORDS_EACH RECORD_BYTES
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class ManyProducers {
  /** As many as a producer has requests in flight: what waits longer in its queue is not the broker's time. */
  static final int IN_FLIGHT = 5;

  public static void main(String[] args) throws Exception {
    String topic = args[1];
    int producers = Integer.parseInt(args[2]);
    int each = Integer.parseInt(args[3]);
    byte[] value = new byte[Integer.parseInt(args[4])];
    double[] latencies = new double[producers * each];
    AtomicInteger failed = new AtomicInteger();
    long[] began = new long[1];
    CyclicBarrier ready = new CyclicBarrier(producers, () -> began[0] = System.nanoTime());
    Thread[] threads = new Thread[producers];
    for (int i = 0; i < producers; i++) {
      int id = i;
      threads[i] = new Thread(() -> {
        try {
          produce(args[0], topic, value, ready, latencies, id * each, each, id, failed);
        } catch (Exception error) {
          error.printStackTrace();
          System.exit(1);
        }
      });
      threads[i].start();
    }
    for (Thread thread : threads) thread.join();
    double seconds = (System.nanoTime() - began[0]) / 1e9;
    Arrays.sort(latencies);
    System.out.printf(
        java.util.Locale.ROOT,
        "records=%d failed=%d records_per_s=%.1f average_ms=%.3f p50_ms=%.3f p99_ms=%.3f%n",
        latencies.length, failed.get(), latencies.length / seconds, Arrays.stream(latencies).average().orElse(0),
        latencies[latencies.length / 2], latencies[(int) (latencies.length * 0.99)]);
    if (failed.get() > 0) System.exit(1);
  }

  static void produce(
      String bootstrap, String topic, byte[] value, CyclicBarrier ready, double[] latencies, int from, int count, int id,
      AtomicInteger failed) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", bootstrap);
    settings.put("acks", "all");
    settings.put("batch.size", "0");
    settings.put("linger.ms", "0");
    settings.put("max.in.flight.requests.per.connection", IN_FLIGHT);
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      int partitions = producer.partitionsFor(topic).size();
      for (int partition = 0; partition < partitions; partition++)
        producer.send(new ProducerRecord<>(topic, partition, null, value)).get();
      ready.await();
      java.util.concurrent.Semaphore slots = new java.util.concurrent.Semaphore(IN_FLIGHT);
      CountDownLatch answered = new CountDownLatch(count);
      for (int i = 0; i < count; i++) {
        slots.acquire();
        int at = from + i;
        long sent = System.nanoTime();
        producer.send(new ProducerRecord<>(topic, (id + i) % partitions, null, value), (metadata, error) -> {
          latencies[at] = (System.nanoTime() - sent) / 1e6;
          if (error != null) failed.incrementAndGet();
          slots.release();
          answered.countDown();
        });
      }
      answered.await();
    }
  }
}
