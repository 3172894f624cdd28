// franz-go.
package main

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	bootstrap = os.Getenv("BOOTSTRAP")
	base      = time.UnixMilli(time.Now().UnixMilli() - 3_600_000)
	ctx       = context.Background()
	seen      map[string]string
	admin     *kadm.Client
)

type line struct {
	Scenario string            `json:"scenario"`
	Ok       bool              `json:"ok"`
	Detail   string            `json:"detail"`
	Seen     map[string]string `json:"seen"`
}

func main() {
	flow.BeKilled()
	admin = kadm.NewClient(client())
	scenarios := map[string]func(topic string) string{
		"partitioner": partitioner, "acks": acks, "idempotent": idempotent, "large": large, "offsets": offsets,
		"seek": seek, "long-poll": longPoll, "admin-topics": adminTopics, "admin-configs": adminConfigs,
		"admin-records": adminRecords, "admin-cluster": adminCluster, "auto-create": autoCreate, "recreate": recreate,
	}
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		scenarios["roundtrip-"+name] = func(topic string) string { return roundtrip(topic, codec) }
	}
	addGroups(scenarios)
	for _, name := range strings.Split(os.Getenv("SCENARIO"), ",") {
		seen = map[string]string{}
		printed := line{Scenario: name}
		func() {
			defer func() {
				if failure := recover(); failure != nil {
					printed.Detail = fmt.Sprint(failure)
				}
			}()
			printed.Detail = scenarios[name](os.Getenv("RUN") + "-" + name)
			printed.Ok = true
		}()
		printed.Seen = seen
		text, _ := json.Marshal(printed)
		fmt.Println(string(text))
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func check(holds bool, what string, args ...any) {
	if !holds {
		panic(fmt.Sprintf(what, args...))
	}
}

func see(key string, value any) { seen[key] = fmt.Sprint(value) }

// "ok", or the name of the error.
func name(err error) string {
	var kafka *kerr.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &kafka):
		return kafka.Message
	default:
		return err.Error()
	}
}

func client(options ...kgo.Opt) *kgo.Client {
	options = append([]kgo.Opt{kgo.SeedBrokers(bootstrap), kgo.MetadataMinAge(100 * time.Millisecond), kgo.MetadataMaxAge(time.Second)}, options...)
	return must(kgo.NewClient(options...))
}

func create(topic string, partitions int32, configs ...string) {
	must(admin.CreateTopic(ctx, partitions, 1, pairs(configs), topic))
	settle("ok", func() string { return name(must(admin.ListTopics(ctx, topic))[topic].Err) })
}

func pairs(words []string) map[string]*string {
	found := map[string]*string{}
	for i := 0; i < len(words); i += 2 {
		found[words[i]] = &words[i+1]
	}
	return found
}

func after(ms int) time.Time { return base.Add(time.Duration(ms) * time.Millisecond) }

func numbered(topic string, i, partitions int) *kgo.Record {
	record := &kgo.Record{Topic: topic, Partition: int32(i % partitions), Timestamp: after(i * 1000)}
	if i%5 != 0 {
		record.Key = fmt.Appendf(nil, "key-%d", i)
	}
	switch i % 7 {
	case 3:
	case 4:
		record.Value = []byte{}
	default:
		record.Value = fmt.Appendf(nil, "value-%d-%s", i, strings.Repeat("x", i%50*10))
	}
	if i%3 != 0 {
		record.Headers = []kgo.RecordHeader{{Key: "a", Value: fmt.Appendf(nil, "h%d", i)}, {Key: "a", Value: []byte("again")}, {Key: "b", Value: []byte{}}, {Key: "c"}}
	}
	return record
}

func text(record *kgo.Record) string {
	return fmt.Sprintf("%#v %#v %d %#v", record.Key, record.Value, record.Timestamp.UnixMilli(), record.Headers)
}

// Values "0", "1", … on partition 0, a second apart.
func fill(topic string, count int) {
	producer := client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer producer.Close()
	records := make([]*kgo.Record, count)
	for i := range records {
		records[i] = &kgo.Record{Topic: topic, Timestamp: after(i * 1000), Value: fmt.Append(nil, i)}
	}
	must(producer.ProduceSync(ctx, records...).First())
}

func assigned(topic string, partitions int32, from kgo.Offset, options ...kgo.Opt) *kgo.Client {
	offsets := map[int32]kgo.Offset{}
	for i := range partitions {
		offsets[i] = from
	}
	return client(append(options, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))...)
}

// Reads until there are so many, or ten seconds are over, or something is wrong.
func read(consumer *kgo.Client, count int) ([]*kgo.Record, error) {
	deadline, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var all []*kgo.Record
	for len(all) < count && deadline.Err() == nil {
		fetches := consumer.PollFetches(deadline)
		all = append(all, fetches.Records()...)
		for _, failed := range fetches.Errors() {
			if deadline.Err() == nil {
				return all, failed.Err
			}
		}
	}
	return all, nil
}

func readAll(topic string, partitions int32, count int) []*kgo.Record {
	consumer := assigned(topic, partitions, kgo.NewOffset().AtStart())
	defer consumer.Close()
	return must(read(consumer, count))
}

func inOrder(records []*kgo.Record, from, to int) {
	check(len(records) == to-from, "%d records of %d", len(records), to-from)
	for i, record := range records {
		check(string(record.Value) == fmt.Sprint(from+i), "record %d is %s", from+i, record.Value)
	}
}

func roundtrip(topic string, codec kgo.CompressionCodec) string {
	create(topic, 12)
	producer := client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(50*time.Millisecond))
	defer producer.Close()
	records := make([]*kgo.Record, 240)
	for i := range records {
		records[i] = numbered(topic, i, 12)
	}
	must(producer.ProduceSync(ctx, records...).First())
	expected := map[string]string{}
	for _, record := range records {
		expected[fmt.Sprintf("%d@%d", record.Partition, record.Offset)] = text(record)
	}
	all := readAll(topic, 12, 240)
	check(len(all) == 240 && len(expected) == 240, "%d records of 240 came back", len(all))
	for _, record := range all {
		place := fmt.Sprintf("%d@%d", record.Partition, record.Offset)
		check(text(record) == expected[place], "%s is %s instead of %s", place, text(record), expected[place])
	}
	return ""
}

func partitioner(topic string) string {
	create(topic, 12)
	producer := client()
	defer producer.Close()
	var partitions []string
	for i := range 100 {
		record := must(producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "key-%d", i), Value: []byte("v")}).First())
		partitions = append(partitions, fmt.Sprint(record.Partition))
	}
	see("partitions", fmt.Sprintf("%x", md5.Sum([]byte(strings.Join(partitions, " "))))[:8])
	return "keys " + seen["partitions"]
}

func acks(topic string) string {
	create(topic, 1)
	for name, acks := range map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()} {
		producer := client(kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite())
		for i := range 20 {
			must(producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: fmt.Append(nil, name, i)}).First())
		}
		producer.Close()
	}
	found := len(readAll(topic, 1, 60))
	check(found == 60, "%d records of 60", found)
	return ""
}

func idempotent(topic string) string {
	create(topic, 1)
	producer := client(kgo.ProducerBatchMaxBytes(512), kgo.ProducerLinger(0))
	defer producer.Close()
	var wait sync.WaitGroup
	var failure error
	for i := range 2000 {
		wait.Add(1)
		producer.Produce(ctx, &kgo.Record{Topic: topic, Value: fmt.Append(nil, i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				failure = err
			}
			wait.Done()
		})
	}
	wait.Wait()
	check(failure == nil, "%v", failure)
	inOrder(readAll(topic, 1, 2000), 0, 2000)
	return ""
}

func large(topic string) string {
	create(topic, 1, "max.message.bytes", "2097152")
	producer := client(kgo.ProducerBatchMaxBytes(8_000_000), kgo.BrokerMaxWriteBytes(16_000_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	defer producer.Close()
	for _, size := range []int{1_048_576, 2_000_000} {
		must(producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: make([]byte, size)}).First())
	}
	_, err := producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: make([]byte, 3_000_000)}).First()
	see("too large", name(err))
	all := readAll(topic, 1, 2)
	check(len(all) == 2 && len(all[0].Value) == 1_048_576 && len(all[1].Value) == 2_000_000, "%d records came back", len(all))
	check(seen["too large"] == "MESSAGE_TOO_LARGE", "%v", seen)
	return ""
}

func offsets(topic string) string {
	create(topic, 1)
	fill(topic, 99)
	producer := client()
	defer producer.Close()
	must(producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Timestamp: base, Value: []byte("late")}).First())
	at := func(listed kadm.ListedOffsets, err error) string {
		if err != nil {
			return name(err)
		}
		offset, _ := listed.Lookup(topic, 0)
		if offset.Err != nil {
			return name(offset.Err)
		}
		if offset.Timestamp < 0 {
			return fmt.Sprint(offset.Offset)
		}
		return fmt.Sprintf("%d +%d", offset.Offset, offset.Timestamp-base.UnixMilli())
	}
	see("earliest", at(admin.ListStartOffsets(ctx, topic)))
	see("latest", at(admin.ListEndOffsets(ctx, topic)))
	see("committed", at(admin.ListCommittedOffsets(ctx, topic)))
	for _, ms := range []int{50_000, 50_001, 500_000} {
		see(fmt.Sprintf("at %d", ms), at(admin.ListOffsetsAfterMilli(ctx, after(ms).UnixMilli(), topic)))
	}
	see("max timestamp", at(admin.ListMaxTimestampOffsets(ctx, topic)))
	see("earliest local", at(admin.ListLocalLogStartOffsets(ctx, topic)))
	unknown, err := admin.ListEndOffsets(ctx, topic+"-none")
	if offset, found := unknown.Lookup(topic+"-none", 0); err == nil && found {
		err = offset.Err
	}
	see("unknown", name(errors.Join(err, unknown.Error())))
	check(strings.HasPrefix(seen["max timestamp"], "98 ") && strings.HasPrefix(seen["at 50001"], "51 "), "%v", seen)
	return ""
}

func seek(topic string) string {
	create(topic, 1)
	fill(topic, 100)
	consumer := assigned(topic, 1, kgo.NewOffset().At(50))
	inOrder(must(read(consumer, 50)), 50, 100)
	consumer.Close()
	consumer = assigned(topic, 1, kgo.NewOffset().At(5000), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	inOrder(must(read(consumer, 100)), 0, 100)
	consumer.Close()
	consumer = assigned(topic, 1, kgo.NewOffset().At(5000), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	_, err := read(consumer, 1)
	see("out of range", name(err))
	consumer.Close()
	check(seen["out of range"] == "OFFSET_OUT_OF_RANGE", "%v", seen)
	return ""
}

func longPoll(topic string) string {
	create(topic, 1)
	producer := client(kgo.ProducerLinger(0))
	defer producer.Close()
	consumer := assigned(topic, 1, kgo.NewOffset().AtStart(), kgo.FetchMaxWait(2*time.Second))
	defer consumer.Close()
	must(producer.ProduceSync(ctx, &kgo.Record{Topic: topic}).First())
	check(len(must(read(consumer, 1))) == 1, "the first record")
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	before := time.Now()
	check(consumer.PollFetches(short).Empty(), "nothing to read")
	check(time.Since(before) < 2*time.Second, "an empty poll took %v", time.Since(before))
	sent := make(chan time.Time, 1)
	go func() {
		time.Sleep(700 * time.Millisecond)
		sent <- time.Now()
		producer.ProduceSync(ctx, &kgo.Record{Topic: topic})
	}()
	check(len(must(read(consumer, 1))) == 1, "the record that was waited for")
	took := time.Since(<-sent)
	check(took < 500*time.Millisecond, "it came after %v", took)
	return fmt.Sprintf("%d ms", took.Milliseconds())
}
