// segmentio/kafka-go.
package main

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

var (
	bootstrap = os.Getenv("BOOTSTRAP")
	base      = time.UnixMilli(time.Now().UnixMilli() - 3_600_000).UTC()
	ctx       = context.Background()
	seen      map[string]string
	client    = &kafka.Client{Addr: kafka.TCP(bootstrap), Timeout: 20 * time.Second, Transport: transport()}
)

// One that looks at metadata often: its default keeps them for six seconds.
func transport() *kafka.Transport { return &kafka.Transport{MetadataTTL: 100 * time.Millisecond} }

type line struct {
	Scenario string            `json:"scenario"`
	Ok       bool              `json:"ok"`
	Detail   string            `json:"detail"`
	Na       string            `json:"na,omitempty"`
	Seen     map[string]string `json:"seen"`
}

// What the client has no API for.
type notApplicable string

func main() {
	flow.BeKilled()
	without := func(why notApplicable) func(string) string { return func(string) string { panic(why) } }
	scenarios := map[string]func(topic string) string{
		"partitioner": partitioner, "acks": acks, "large": large, "offsets": offsets, "seek": seek, "long-poll": longPoll,
		"admin-topics": adminTopics, "admin-configs": adminConfigs, "admin-cluster": adminCluster,
		"auto-create": autoCreate, "recreate": recreate,
		"idempotent": without("no idempotent producer"), "admin-records": without("no call for DeleteRecords"),
	}
	for name, codec := range map[string]kafka.Compression{
		"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
	} {
		scenarios["roundtrip-"+name] = func(topic string) string { return roundtrip(topic, codec) }
	}
	addGroups(scenarios)
	for _, name := range strings.Split(os.Getenv("SCENARIO"), ",") {
		seen = map[string]string{}
		printed := line{Scenario: name}
		func() {
			defer func() {
				failure := recover()
				if why, missing := failure.(notApplicable); missing {
					printed.Na = string(why)
				} else if failure != nil {
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

// "ok", or the error's code and what it is called.
func name(err error) string {
	var known kafka.Error
	var writes kafka.WriteErrors
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &writes):
		return name(writes[len(writes)-1])
	case errors.As(err, &known):
		return fmt.Sprintf("%d %s", int(known), known.Title())
	default:
		return err.Error()
	}
}

func creating(topic string, partitions, replicas int, configs ...string) error {
	config := kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: replicas}
	for i := 0; i < len(configs); i += 2 {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: configs[i], ConfigValue: configs[i+1]})
	}
	response, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})
	if err != nil {
		return err
	}
	return response.Errors[topic]
}

func create(topic string, partitions int, configs ...string) {
	must(0, creating(topic, partitions, 1, configs...))
	settle(fmt.Sprint(partitions, " partitions"), func() string { return described(topic) })
}

func after(ms int) time.Time { return base.Add(time.Duration(ms) * time.Millisecond) }

func numbered(i, partitions int) kafka.Message {
	message := kafka.Message{WriterData: i % partitions, Time: after(i * 1000)}
	if i%5 != 0 {
		message.Key = fmt.Appendf(nil, "key-%d", i)
	}
	switch i % 7 {
	case 3:
	case 4:
		message.Value = []byte{}
	default:
		message.Value = fmt.Appendf(nil, "value-%d-%s", i, strings.Repeat("x", i%50*10))
	}
	if i%3 != 0 {
		message.Headers = []kafka.Header{{Key: "a", Value: fmt.Appendf(nil, "h%d", i)}, {Key: "a", Value: []byte("again")}, {Key: "b", Value: []byte{}}, {Key: "c"}}
	}
	return message
}

// Its reader makes no difference between null and empty.
func text(message kafka.Message) string {
	return fmt.Sprintf("%q %q %d %q", message.Key, message.Value, message.Time.UnixMilli(), message.Headers)
}

// One that puts messages on the partition that their WriterData says.
func writer(topic string, changes ...func(*kafka.Writer)) *kafka.Writer {
	made := &kafka.Writer{Addr: kafka.TCP(bootstrap), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 10 * time.Millisecond, MaxAttempts: 6, Transport: transport()}
	made.Balancer = kafka.BalancerFunc(func(message kafka.Message, _ ...int) int {
		partition, _ := message.WriterData.(int)
		return partition
	})
	for _, change := range changes {
		change(made)
	}
	return made
}

func write(writer *kafka.Writer, messages ...kafka.Message) {
	must(0, writer.WriteMessages(ctx, messages...))
	must(0, writer.Close())
}

// Values "0", "1", … on partition 0, a second apart.
func fill(topic string, count int) {
	messages := make([]kafka.Message, count)
	for i := range messages {
		messages[i] = kafka.Message{Time: after(i * 1000), Value: fmt.Append(nil, i)}
	}
	write(writer(topic), messages...)
}

func reader(topic string, partition int, wait time.Duration) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{Brokers: []string{bootstrap}, Topic: topic, Partition: partition, MaxWait: wait, MinBytes: 1, MaxBytes: 8_000_000})
}

// Reads until there are so many, or the time is over.
func read(reader *kafka.Reader, count int, within time.Duration) []kafka.Message {
	deadline, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var all []kafka.Message
	for len(all) < count {
		message, err := reader.ReadMessage(deadline)
		if err != nil {
			check(deadline.Err() != nil, "%v", err)
			break
		}
		all = append(all, message)
	}
	return all
}

func readAll(topic string, partitions, count int) []kafka.Message {
	var all []kafka.Message
	for partition := range partitions {
		part := reader(topic, partition, 100*time.Millisecond)
		all = append(all, read(part, count/partitions, 10*time.Second)...)
		part.Close()
	}
	return all
}

func inOrder(messages []kafka.Message, from, to int) {
	check(len(messages) == to-from, "%d records of %d", len(messages), to-from)
	for i, message := range messages {
		check(string(message.Value) == fmt.Sprint(from+i), "record %d is %s", from+i, message.Value)
	}
}

func roundtrip(topic string, codec kafka.Compression) string {
	create(topic, 12)
	messages := make([]kafka.Message, 240)
	expected := map[string]string{}
	for i := range messages {
		messages[i] = numbered(i, 12)
		// The writer does not tell offsets; it keeps the order within a partition.
		expected[fmt.Sprintf("%d@%d", i%12, i/12)] = text(messages[i])
	}
	write(writer(topic, func(writer *kafka.Writer) { writer.Compression = codec }), messages...)
	all := readAll(topic, 12, 240)
	check(len(all) == 240, "%d records of 240 came back", len(all))
	for _, message := range all {
		place := fmt.Sprintf("%d@%d", message.Partition, message.Offset)
		check(text(message) == expected[place], "%s is %s instead of %s", place, text(message), expected[place])
	}
	return ""
}

func partitioner(topic string) string {
	create(topic, 12)
	messages := make([]kafka.Message, 100)
	for i := range messages {
		messages[i] = kafka.Message{Key: fmt.Appendf(nil, "key-%d", i), Value: []byte("v")}
	}
	write(writer(topic, func(writer *kafka.Writer) { writer.Balancer = kafka.Murmur2Balancer{} }), messages...)
	partitions := make([]string, 100)
	ends := must(client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: lastOffsets(12)}}))
	for _, end := range ends.Topics[topic] {
		part := reader(topic, end.Partition, 100*time.Millisecond)
		for _, message := range read(part, int(end.LastOffset), 10*time.Second) {
			number := 0
			fmt.Sscanf(string(message.Key), "key-%d", &number)
			partitions[number] = fmt.Sprint(end.Partition)
		}
		part.Close()
	}
	see("partitions", fmt.Sprintf("%x", md5.Sum([]byte(strings.Join(partitions, " "))))[:8])
	return "murmur2 " + seen["partitions"] + ", round robin by default"
}

func lastOffsets(partitions int) []kafka.OffsetRequest {
	var all []kafka.OffsetRequest
	for partition := range partitions {
		all = append(all, kafka.LastOffsetOf(partition))
	}
	return all
}

func acks(topic string) string {
	create(topic, 1)
	for _, acks := range []kafka.RequiredAcks{kafka.RequireNone, kafka.RequireOne, kafka.RequireAll} {
		messages := make([]kafka.Message, 20)
		write(writer(topic, func(writer *kafka.Writer) { writer.RequiredAcks = acks }), messages...)
	}
	found := len(readAll(topic, 1, 60))
	check(found == 60, "%d records of 60", found)
	return ""
}

func large(topic string) string {
	create(topic, 1, "max.message.bytes", "2097152")
	sender := writer(topic, func(writer *kafka.Writer) { writer.BatchBytes = 8_000_000; writer.BatchSize = 1 })
	defer sender.Close()
	send := func(size int) error { return sender.WriteMessages(ctx, kafka.Message{Value: make([]byte, size)}) }
	must(0, send(1_048_576))
	must(0, send(2_000_000))
	see("too large", name(send(3_000_000)))
	all := readAll(topic, 1, 2)
	check(len(all) == 2 && len(all[0].Value) == 1_048_576 && len(all[1].Value) == 2_000_000, "%d records came back", len(all))
	check(strings.HasPrefix(seen["too large"], "10 "), "%v", seen)
	return ""
}

func offsets(topic string) string {
	create(topic, 1)
	fill(topic, 99)
	write(writer(topic), kafka.Message{Time: base, Value: []byte("late")})
	at := func(topic string, request kafka.OffsetRequest) string {
		response, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: {request}}})
		if err != nil {
			return name(err)
		}
		found := response.Topics[topic][0]
		for offset := range found.Offsets {
			return fmt.Sprint(offset)
		}
		return fmt.Sprint(found.FirstOffset, " ", found.LastOffset, " ", name(found.Error))
	}
	see("earliest", at(topic, kafka.FirstOffsetOf(0)))
	see("latest", at(topic, kafka.LastOffsetOf(0)))
	for _, ms := range []int{50_000, 50_001, 500_000} {
		see(fmt.Sprintf("at %d", ms), at(topic, kafka.TimeOffsetOf(0, after(ms))))
	}
	check(strings.HasPrefix(seen["latest"], "-1 100 ") && seen["at 50001"] == "51", "%v", seen)
	return ""
}

func seek(topic string) string {
	create(topic, 1)
	fill(topic, 100)
	part := reader(topic, 0, 2*time.Second)
	defer part.Close()
	must(0, part.SetOffset(50))
	inOrder(read(part, 50, 10*time.Second), 50, 100)
	must(0, part.SetOffsetAt(ctx, after(70_000)))
	inOrder(read(part, 30, 10*time.Second), 70, 100)
	fetched := must(client.Fetch(ctx, &kafka.FetchRequest{Topic: topic, Offset: 5000, MaxWait: 100 * time.Millisecond}))
	see("out of range", name(fetched.Error))
	check(strings.HasPrefix(seen["out of range"], "1 "), "%v", seen)
	return ""
}

func longPoll(topic string) string {
	create(topic, 1)
	sender := writer(topic, func(writer *kafka.Writer) { writer.BatchSize = 1 })
	defer sender.Close()
	send := func() { must(0, sender.WriteMessages(ctx, kafka.Message{Value: []byte("v")})) }
	send()
	part := reader(topic, 0, 2*time.Second)
	defer part.Close()
	check(len(read(part, 1, 10*time.Second)) == 1, "the first record")
	check(len(read(part, 1, 300*time.Millisecond)) == 0, "nothing to read")
	sent := make(chan time.Time, 1)
	go func() {
		time.Sleep(700 * time.Millisecond)
		sent <- time.Now()
		send()
	}()
	check(len(read(part, 1, 10*time.Second)) == 1, "the record that was waited for")
	took := time.Since(<-sent)
	check(took < 500*time.Millisecond, "it came after %v", took)
	return fmt.Sprintf("%d ms", took.Milliseconds())
}
