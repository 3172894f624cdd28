package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

func adminTopics(topic string) string {
	create(topic, 3, "retention.ms", "3600000")
	settle("3 partitions", func() string { return described(topic) })
	listed := must(admin.ListTopics())
	see("listed", fmt.Sprint(listed[topic].NumPartitions, " ", listed[topic].ReplicationFactor))
	see("listed retention.ms", *listed[topic].ConfigEntries["retention.ms"])
	creating := func(topic string, partitions int32, replicas int16, configs ...string) string {
		detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: replicas, ConfigEntries: pairs(configs)}
		return name(admin.CreateTopic(topic, detail, false))
	}
	see("again", creating(topic, 1, 1))
	see("0 partitions", creating(topic+"-0", 0, 1))
	see("defaults", creating(topic+"-d", -1, -1))
	see("9 replicas", creating(topic+"-9", 1, 9))
	see("bad name", creating("a/b", 1, 1))
	see("bad config", creating(topic+"-c", 1, 1, "retention.ms", "soon"))
	see("unknown config", creating(topic+"-u", 1, 1, "no.such", "1"))
	see("validate only", name(admin.CreateTopic(topic+"-v", &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}, true)))
	see("unknown", described(topic+"-none"))
	see("more partitions", name(admin.CreatePartitions(topic, 5, nil, false)))
	see("fewer partitions", name(admin.CreatePartitions(topic, 2, nil, false)))
	see("partitions", settle("5 partitions", func() string { return described(topic) }))
	see("delete", name(admin.DeleteTopic(topic)))
	see("gone", settle(name(sarama.ErrUnknownTopicOrPartition), func() string { return described(topic) }))
	see("delete again", name(admin.DeleteTopic(topic)))
	check(strings.HasPrefix(seen["again"], "36 ") && seen["partitions"] == "5 partitions", "%v", seen)
	return ""
}

func described(topic string) string {
	metadata := must(admin.DescribeTopics([]string{topic}))[0]
	if metadata.Err != sarama.ErrNoError {
		return name(metadata.Err)
	}
	return fmt.Sprint(len(metadata.Partitions), " partitions")
}

// Asks until the answer is this one, at most five seconds: admin answers may come before brokers know.
func settle(expected string, ask func() string) string {
	last := ask()
	for i := 0; i < 50 && last != expected; i++ {
		time.Sleep(100 * time.Millisecond)
		last = ask()
	}
	return last
}

func adminConfigs(topic string) string {
	create(topic, 1, "retention.ms", "3600000")
	describe := func() string {
		entries := must(admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic}))
		found := ""
		for _, wanted := range []string{"cleanup.policy", "max.message.bytes", "retention.ms"} {
			for _, entry := range entries {
				if entry.Name == wanted {
					found += fmt.Sprintf("%s=%s %s ", entry.Name, entry.Value, entry.Source)
				}
			}
		}
		return found
	}
	see("created", describe())
	value := func(text string) *string { return &text }
	set := func(topic, key, text string) string {
		entries := map[string]sarama.IncrementalAlterConfigsEntry{key: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: value(text)}}
		return name(admin.IncrementalAlterConfig(sarama.TopicResource, topic, entries, false))
	}
	see("incremental", set(topic, "max.message.bytes", "2000000"))
	deleted := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationDelete}}
	see("delete", name(admin.IncrementalAlterConfig(sarama.TopicResource, topic, deleted, false)))
	see("altered", settle("cleanup.policy=delete Default max.message.bytes=2000000 Topic retention.ms=604800000 Default ", describe))
	see("bad value", set(topic, "retention.ms", "soon"))
	see("unknown topic", set(topic+"-none", "retention.ms", "1"))
	see("old alter", name(admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": value("7200000")}, false)))
	see("replaced", settle("cleanup.policy=delete Default max.message.bytes=1048588 Default retention.ms=7200000 Topic ", describe))
	_, id, err := admin.DescribeCluster()
	must(0, err)
	broker := sarama.ConfigResource{Type: sarama.BrokerResource, Name: fmt.Sprint(id)}
	see("broker has configs", len(must(admin.DescribeConfig(broker))) > 0)
	return ""
}

func adminRecords(topic string) string {
	create(topic, 1)
	fill(topic, 100)
	see("delete", name(admin.DeleteRecords(topic, map[int32]int64{0: 40})))
	beyond := admin.DeleteRecords(topic, map[int32]int64{0: 500})
	see("beyond the end", beyond)
	inOrder(readAll(topic, 1, 60), 40, 100)
	check(beyond != nil && strings.Contains(beyond.Error(), sarama.ErrOffsetOutOfRange.Error()), "%v", seen)
	return ""
}

func adminCluster(topic string) string {
	create(topic, 1)
	fill(topic, 100)
	brokers, controller, err := admin.DescribeCluster()
	must(0, err)
	see("nodes", len(brokers))
	see("controller is a node", must(admin.Controller()).ID() == controller)
	size := int64(0)
	for _, dir := range must(admin.DescribeLogDirs([]int32{brokers[0].ID()}))[brokers[0].ID()] {
		for _, each := range dir.Topics {
			if each.Topic == topic {
				size = each.Partitions[0].Size
			}
		}
	}
	see("size is known", size > 0)
	return ""
}

func autoCreate(topic string) string {
	ask := func(allowed bool, topic string) string {
		client := must(sarama.NewClient([]string{bootstrap}, config(func(config *sarama.Config) { config.Metadata.AllowAutoTopicCreation = allowed })))
		defer client.Close()
		_, err := client.Partitions(topic)
		return name(err)
	}
	exists := func() bool {
		_, found := must(admin.ListTopics())[topic]
		return found
	}
	see("not allowed", ask(false, topic))
	time.Sleep(500 * time.Millisecond)
	see("exists then", exists())
	see("allowed", ask(true, topic))
	see("exists at the end", exists())
	see("bad name", ask(true, "a/b"))
	return ""
}

func recreate(topic string) string {
	create(topic, 1)
	fill(topic, 10)
	client := consumer(func(config *sarama.Config) { config.Metadata.AllowAutoTopicCreation = false })
	defer client.Close()
	part := must(client.ConsumePartition(topic, 0, sarama.OffsetOldest))
	inOrder(must(read(part, 10, 10*time.Second)), 0, 10)
	must(0, admin.DeleteTopic(topic))
	for range 3 {
		read(part, 1, time.Second)
	}
	create(topic, 1)
	fill(topic, 5)
	// Its position is 10, behind the end of the new one. It has no reset policy: the consumer ends with the error.
	for range 10 {
		_, err := read(part, 1, time.Second)
		if err != nil {
			see("at a position behind the end", name(err))
		}
		if err == sarama.ErrOffsetOutOfRange {
			break
		}
	}
	part.Close()
	inOrder(readAll(topic, 1, 5), 0, 5)
	return ""
}
