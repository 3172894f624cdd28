// Sarama.
package main

import (
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

var (
	bootstrap = os.Getenv("BOOTSTRAP")
	base      = time.UnixMilli(time.Now().UnixMilli() - 3_600_000)
	seen      map[string]string
	admin     sarama.ClusterAdmin
)

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
	admin = must(sarama.NewClusterAdmin([]string{bootstrap}, config()))
	scenarios := map[string]func(topic string) string{
		"partitioner": partitioner, "acks": acks, "idempotent": idempotent, "large": large, "offsets": offsets,
		"seek": seek, "long-poll": longPoll, "admin-topics": adminTopics, "admin-configs": adminConfigs,
		"admin-records": adminRecords, "admin-cluster": adminCluster, "auto-create": autoCreate, "recreate": recreate,
	}
	for name, codec := range map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
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
	var kafka sarama.KError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &kafka):
		return fmt.Sprintf("%d %s", int16(kafka), kafka.Error())
	default:
		return err.Error()
	}
}

func config(changes ...func(*sarama.Config)) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Return.Errors = true
	config.Metadata.RefreshFrequency = time.Second
	for _, change := range changes {
		change(config)
	}
	return config
}

func producer(changes ...func(*sarama.Config)) sarama.SyncProducer {
	return must(sarama.NewSyncProducer([]string{bootstrap}, config(changes...)))
}

func create(topic string, partitions int32, configs ...string) {
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: pairs(configs)}
	if err := admin.CreateTopic(topic, detail, false); err != nil {
		panic(err)
	}
}

func pairs(words []string) map[string]*string {
	found := map[string]*string{}
	for i := 0; i < len(words); i += 2 {
		found[words[i]] = &words[i+1]
	}
	return found
}

func after(ms int) time.Time { return base.Add(time.Duration(ms) * time.Millisecond) }

func numbered(topic string, i, partitions int) *sarama.ProducerMessage {
	message := &sarama.ProducerMessage{Topic: topic, Partition: int32(i % partitions), Timestamp: after(i * 1000)}
	if i%5 != 0 {
		message.Key = sarama.ByteEncoder(fmt.Appendf(nil, "key-%d", i))
	}
	switch i % 7 {
	case 3:
	case 4:
		message.Value = sarama.ByteEncoder{}
	default:
		message.Value = sarama.ByteEncoder(fmt.Appendf(nil, "value-%d-%s", i, strings.Repeat("x", i%50*10)))
	}
	if i%3 != 0 {
		header := func(key string, value []byte) sarama.RecordHeader {
			return sarama.RecordHeader{Key: []byte(key), Value: value}
		}
		message.Headers = []sarama.RecordHeader{header("a", fmt.Appendf(nil, "h%d", i)), header("a", []byte("again")), header("b", []byte{}), header("c", nil)}
	}
	return message
}

func sentText(message *sarama.ProducerMessage) string {
	encoded := func(encoder sarama.Encoder) []byte {
		if encoder == nil {
			return nil
		}
		return must(encoder.Encode())
	}
	return text(encoded(message.Key), encoded(message.Value), message.Timestamp, message.Headers)
}

func readText(message *sarama.ConsumerMessage) string {
	var headers []sarama.RecordHeader
	for _, header := range message.Headers {
		headers = append(headers, *header)
	}
	return text(message.Key, message.Value, message.Timestamp, headers)
}

func text(key, value []byte, timestamp time.Time, headers []sarama.RecordHeader) string {
	return fmt.Sprintf("%#v %#v %d %#v", key, value, timestamp.UnixMilli(), headers)
}

// Values "0", "1", … on partition 0, a second apart.
func fill(topic string, count int) {
	client := producer()
	defer client.Close()
	messages := make([]*sarama.ProducerMessage, count)
	for i := range messages {
		messages[i] = &sarama.ProducerMessage{Topic: topic, Timestamp: after(i * 1000), Value: sarama.StringEncoder(fmt.Sprint(i))}
	}
	if err := client.SendMessages(messages); err != nil {
		panic(err)
	}
}

// Reads one partition until there are so many, or the time is over, or something is wrong.
func read(consumer sarama.PartitionConsumer, count int, within time.Duration) ([]*sarama.ConsumerMessage, error) {
	var all []*sarama.ConsumerMessage
	deadline := time.After(within)
	for len(all) < count {
		select {
		case message, open := <-consumer.Messages():
			if !open {
				return all, errors.New("the consumer has ended")
			}
			all = append(all, message)
		case err, open := <-consumer.Errors():
			if open {
				return all, err.Err
			}
		case <-deadline:
			return all, nil
		}
	}
	return all, nil
}

func consumer(changes ...func(*sarama.Config)) sarama.Consumer {
	return must(sarama.NewConsumer([]string{bootstrap}, config(changes...)))
}

func readAll(topic string, partitions, count int) []*sarama.ConsumerMessage {
	client := consumer(func(config *sarama.Config) { config.Consumer.MaxWaitTime = 50 * time.Millisecond })
	var all []*sarama.ConsumerMessage
	for partition := range partitions {
		part := must(client.ConsumePartition(topic, int32(partition), sarama.OffsetOldest))
		defer part.AsyncClose()
		all = append(all, must(read(part, count/partitions, 10*time.Second))...)
	}
	return all
}

func inOrder(messages []*sarama.ConsumerMessage, from, to int) {
	check(len(messages) == to-from, "%d records of %d", len(messages), to-from)
	for i, message := range messages {
		check(string(message.Value) == fmt.Sprint(from+i), "record %d is %s", from+i, message.Value)
	}
}

func roundtrip(topic string, codec sarama.CompressionCodec) string {
	create(topic, 12)
	client := producer(func(config *sarama.Config) { config.Producer.Compression = codec })
	defer client.Close()
	messages := make([]*sarama.ProducerMessage, 240)
	for i := range messages {
		messages[i] = numbered(topic, i, 12)
	}
	if err := client.SendMessages(messages); err != nil {
		panic(err)
	}
	expected := map[string]string{}
	for _, message := range messages {
		expected[fmt.Sprintf("%d@%d", message.Partition, message.Offset)] = sentText(message)
	}
	all := readAll(topic, 12, 240)
	check(len(all) == 240 && len(expected) == 240, "%d records of 240 came back", len(all))
	for _, message := range all {
		place := fmt.Sprintf("%d@%d", message.Partition, message.Offset)
		check(readText(message) == expected[place], "%s is %s instead of %s", place, readText(message), expected[place])
	}
	return ""
}

func partitioner(topic string) string {
	create(topic, 12)
	client := producer(func(config *sarama.Config) { config.Producer.Partitioner = sarama.NewHashPartitioner })
	defer client.Close()
	var partitions []string
	for i := range 100 {
		message := &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(fmt.Sprintf("key-%d", i)), Value: sarama.StringEncoder("v")}
		partition, _, err := client.SendMessage(message)
		partitions = append(partitions, fmt.Sprint(must(partition, err)))
	}
	see("partitions", fmt.Sprintf("%x", md5.Sum([]byte(strings.Join(partitions, " "))))[:8])
	return "keys " + seen["partitions"]
}

func acks(topic string) string {
	create(topic, 1)
	for _, acks := range []sarama.RequiredAcks{sarama.NoResponse, sarama.WaitForLocal, sarama.WaitForAll} {
		client := producer(func(config *sarama.Config) { config.Producer.RequiredAcks = acks })
		for i := range 20 {
			_, _, err := client.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprint(i))})
			must(0, err)
		}
		client.Close()
	}
	found := len(readAll(topic, 1, 60))
	check(found == 60, "%d records of 60", found)
	return ""
}

func idempotent(topic string) string {
	create(topic, 1)
	client := must(sarama.NewAsyncProducer([]string{bootstrap}, config(func(config *sarama.Config) {
		config.Producer.Idempotent = true
		config.Producer.RequiredAcks = sarama.WaitForAll
		config.Producer.Flush.MaxMessages = 10
		// It refuses more than one with idempotence.
		config.Net.MaxOpenRequests = 1
	})))
	go func() {
		for i := range 2000 {
			client.Input() <- &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprint(i))}
		}
	}()
	for range 2000 {
		select {
		case <-client.Successes():
		case err := <-client.Errors():
			panic(err)
		}
	}
	client.Close()
	inOrder(readAll(topic, 1, 2000), 0, 2000)
	return ""
}

func large(topic string) string {
	create(topic, 1, "max.message.bytes", "2097152")
	client := producer(func(config *sarama.Config) { config.Producer.MaxMessageBytes = 8_000_000 })
	defer client.Close()
	send := func(size int) error {
		_, _, err := client.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(make([]byte, size))})
		return err
	}
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
	sender := producer()
	defer sender.Close()
	_, _, err := sender.SendMessage(&sarama.ProducerMessage{Topic: topic, Timestamp: base, Value: sarama.StringEncoder("late")})
	must(0, err)
	client := must(sarama.NewClient([]string{bootstrap}, config()))
	defer client.Close()
	at := func(topic string, time int64) string {
		offset, err := client.GetOffset(topic, 0, time)
		if err != nil {
			return name(err)
		}
		return fmt.Sprint(offset)
	}
	see("earliest", at(topic, sarama.OffsetOldest))
	see("latest", at(topic, sarama.OffsetNewest))
	for _, ms := range []int{50_000, 50_001, 500_000} {
		see(fmt.Sprintf("at %d", ms), at(topic, after(ms).UnixMilli()))
	}
	see("max timestamp", at(topic, -3))
	see("unknown", at(topic+"-none", sarama.OffsetNewest))
	check(seen["earliest"] == "0" && seen["latest"] == "100" && seen["at 50001"] == "51", "%v", seen)
	return ""
}

func seek(topic string) string {
	create(topic, 1)
	fill(topic, 100)
	client := consumer()
	defer client.Close()
	part := must(client.ConsumePartition(topic, 0, 50))
	inOrder(must(read(part, 50, 10*time.Second)), 50, 100)
	part.Close()
	_, err := client.ConsumePartition(topic, 0, 5000)
	see("out of range", name(err))
	check(strings.HasPrefix(seen["out of range"], "1 "), "%v", seen)
	return "no reset policy in it"
}

func longPoll(topic string) string {
	create(topic, 1)
	sender := producer()
	defer sender.Close()
	client := consumer(func(config *sarama.Config) { config.Consumer.MaxWaitTime = 2 * time.Second })
	defer client.Close()
	send := func() error {
		_, _, err := sender.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("v")})
		return err
	}
	must(0, send())
	part := must(client.ConsumePartition(topic, 0, sarama.OffsetOldest))
	defer part.Close()
	check(len(must(read(part, 1, 10*time.Second))) == 1, "the first record")
	check(len(must(read(part, 1, 300*time.Millisecond))) == 0, "nothing to read")
	sent := make(chan time.Time, 1)
	go func() {
		time.Sleep(700 * time.Millisecond)
		sent <- time.Now()
		send()
	}()
	check(len(must(read(part, 1, 10*time.Second))) == 1, "the record that was waited for")
	took := time.Since(<-sent)
	check(took < 500*time.Millisecond, "it came after %v", took)
	return fmt.Sprintf("%d ms", took.Milliseconds())
}
