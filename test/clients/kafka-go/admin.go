package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

func adminTopics(topic string) string {
	create(topic, 3, "retention.ms", "3600000")
	see("described", described(topic))
	see("again", name(creating(topic, 1, 1)))
	see("0 partitions", name(creating(topic+"-0", 0, 1)))
	see("defaults", name(creating(topic+"-d", -1, -1)))
	see("9 replicas", name(creating(topic+"-9", 1, 9)))
	see("bad name", name(creating("a/b", 1, 1)))
	see("bad config", name(creating(topic+"-c", 1, 1, "retention.ms", "soon")))
	see("unknown config", name(creating(topic+"-u", 1, 1, "no.such", "1")))
	see("unknown", described(topic+"-none"))
	grow := func(count int32) string {
		topics := []kafka.TopicPartitionsConfig{{Name: topic, Count: count}}
		response, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: topics})
		if err != nil {
			return name(err)
		}
		return name(response.Errors[topic])
	}
	see("more partitions", grow(5))
	see("fewer partitions", grow(2))
	see("partitions", settle("5 partitions", func() string { return described(topic) }))
	see("delete", deleting(topic))
	see("gone", settle(name(kafka.UnknownTopicOrPartition), func() string { return described(topic) }))
	see("delete again", deleting(topic))
	check(strings.HasPrefix(seen["again"], "36 ") && seen["partitions"] == "5 partitions", "%v", seen)
	return ""
}

func deleting(topic string) string {
	response, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil {
		return name(err)
	}
	return name(response.Errors[topic])
}

func described(topic string) string {
	response := must(client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}}))
	if response.Topics[0].Error != nil {
		return name(response.Topics[0].Error)
	}
	for _, partition := range response.Topics[0].Partitions {
		if partition.Error != nil {
			return name(partition.Error)
		}
	}
	return fmt.Sprint(len(response.Topics[0].Partitions), " partitions")
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
	names := []string{"cleanup.policy", "max.message.bytes", "retention.ms"}
	describe := func() string {
		asked := kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: names}
		response := must(client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{asked}}))
		found := ""
		for _, wanted := range names {
			for _, entry := range response.Resources[0].ConfigEntries {
				if entry.ConfigName == wanted {
					found += fmt.Sprintf("%s=%s %d ", wanted, entry.ConfigValue, entry.ConfigSource)
				}
			}
		}
		return found
	}
	see("created", describe())
	altering := func(topic string, configs ...kafka.IncrementalAlterConfigsRequestConfig) string {
		resource := kafka.IncrementalAlterConfigsRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, Configs: configs}
		request := &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{resource}}
		response, err := client.IncrementalAlterConfigs(ctx, request)
		if err != nil {
			return name(err)
		}
		return name(response.Resources[0].Error)
	}
	set := func(key, value string) kafka.IncrementalAlterConfigsRequestConfig {
		return kafka.IncrementalAlterConfigsRequestConfig{Name: key, Value: value, ConfigOperation: kafka.ConfigOperationSet}
	}
	see("incremental", altering(topic, set("max.message.bytes", "2000000")))
	see("delete", altering(topic, kafka.IncrementalAlterConfigsRequestConfig{Name: "retention.ms", ConfigOperation: kafka.ConfigOperationDelete}))
	see("altered", settle("cleanup.policy=delete 5 max.message.bytes=2000000 1 retention.ms=604800000 5 ", describe))
	see("bad value", altering(topic, set("retention.ms", "soon")))
	see("unknown topic", altering(topic+"-none", set("retention.ms", "1")))
	old := kafka.AlterConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}
	old.Configs = []kafka.AlterConfigRequestConfig{{Name: "retention.ms", Value: "7200000"}}
	response, err := client.AlterConfigs(ctx, &kafka.AlterConfigsRequest{Resources: []kafka.AlterConfigRequestResource{old}})
	for _, each := range must(response, err).Errors {
		err = errors.Join(err, each)
	}
	see("old alter", name(err))
	see("replaced", settle("cleanup.policy=delete 5 max.message.bytes=1048588 5 retention.ms=7200000 1 ", describe))
	return ""
}

func adminCluster(topic string) string {
	create(topic, 1)
	metadata := must(client.Metadata(ctx, &kafka.MetadataRequest{}))
	see("nodes", len(metadata.Brokers))
	check(metadata.ClusterID != "", "no cluster id")
	see("controller is a node", metadata.Controller.ID == metadata.Brokers[0].ID)
	versions := must(client.ApiVersions(ctx, &kafka.ApiVersionsRequest{}))
	see("versions", name(versions.Error))
	connection := must(kafka.Dial("tcp", bootstrap))
	defer connection.Close()
	see("an old connection's view", len(must(connection.ReadPartitions(topic))))
	return "no call for DescribeLogDirs"
}

func autoCreate(topic string) string {
	see("not allowed", described(topic))
	plain := writer(topic, func(writer *kafka.Writer) { writer.MaxAttempts = 2 })
	see("writing", name(plain.WriteMessages(ctx, kafka.Message{Value: []byte("v")})))
	plain.Close()
	see("exists then", described(topic))
	allowed := writer(topic, func(writer *kafka.Writer) { writer.AllowAutoTopicCreation = true })
	defer allowed.Close()
	// The first write brings it about and fails, as its documentation says.
	see("allowed", settle("ok", func() string { return name(allowed.WriteMessages(ctx, kafka.Message{Value: []byte("v")})) }))
	see("exists at the end", settle("1 partitions", func() string { return described(topic) }))
	return ""
}

func recreate(topic string) string {
	create(topic, 1)
	fill(topic, 10)
	part := reader(topic, 0, 500*time.Millisecond)
	defer part.Close()
	inOrder(read(part, 10, 10*time.Second), 0, 10)
	check(deleting(topic) == "ok", "not deleted")
	time.Sleep(2 * time.Second)
	// The reader asks for Metadata 1 and 6, which make a topic where that is allowed: it may be there again already.
	again := creating(topic, 1, 1)
	check(again == nil || errors.Is(again, kafka.TopicAlreadyExists), "%v", again)
	fill(topic, 15)
	// It knows no topic ids: it goes on from its position, 10, in the new one.
	inOrder(read(part, 5, 20*time.Second), 10, 15)
	return ""
}
