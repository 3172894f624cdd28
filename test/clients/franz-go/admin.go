package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func adminTopics(topic string) string {
	create(topic, 3, "retention.ms", "3600000")
	details := must(admin.ListTopics(ctx, topic))
	see("described", fmt.Sprintf("%d partitions, %d replicas", len(details[topic].Partitions), details[topic].Partitions.NumReplicas()))
	check(details[topic].ID != kadm.TopicID{}, "no topic id")
	creating := func(topic string, partitions int32, replicas int16, configs ...string) string {
		_, err := admin.CreateTopic(ctx, partitions, replicas, pairs(configs), topic)
		return name(err)
	}
	see("again", creating(topic, 1, 1))
	see("0 partitions", creating(topic+"-0", 0, 1))
	see("defaults", creating(topic+"-d", -1, -1))
	see("9 replicas", creating(topic+"-9", 1, 9))
	see("bad name", creating("a/b", 1, 1))
	see("bad config", creating(topic+"-c", 1, 1, "retention.ms", "soon"))
	see("unknown config", creating(topic+"-u", 1, 1, "no.such", "1"))
	validated, err := admin.ValidateCreateTopics(ctx, 2, 1, nil, topic+"-v")
	see("validate only", name(errors.Join(err, validated.Error())))
	see("unknown", name(must(admin.ListTopics(ctx, topic+"-none"))[topic+"-none"].Err))
	updated, err := admin.UpdatePartitions(ctx, 5, topic)
	see("more partitions", name(errors.Join(err, updated.Error())))
	updated, err = admin.UpdatePartitions(ctx, 2, topic)
	see("fewer partitions", name(errors.Join(err, updated.Error())))
	see("partitions", settle("5", func() string { return fmt.Sprint(len(must(admin.ListTopics(ctx, topic))[topic].Partitions)) }))
	_, err = admin.DeleteTopic(ctx, topic)
	see("delete", name(err))
	see("gone", settle(kerr.UnknownTopicOrPartition.Message, func() string { return name(must(admin.ListTopics(ctx, topic))[topic].Err) }))
	_, err = admin.DeleteTopic(ctx, topic)
	see("delete again", name(err))
	check(seen["again"] == "TOPIC_ALREADY_EXISTS" && seen["partitions"] == "5", "%v", seen)
	return ""
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
		found := ""
		config := must(must(admin.DescribeTopicConfigs(ctx, topic)).On(topic, nil))
		for _, wanted := range []string{"cleanup.policy", "max.message.bytes", "retention.ms"} {
			for _, entry := range config.Configs {
				if entry.Key == wanted {
					found += fmt.Sprintf("%s=%s %s ", entry.Key, entry.MaybeValue(), entry.Source)
				}
			}
		}
		return found
	}
	see("created", describe())
	altering := func(topic string, ops ...kadm.AlterConfig) string {
		altered, err := admin.AlterTopicConfigs(ctx, ops, topic)
		for _, each := range altered {
			err = errors.Join(err, each.Err)
		}
		return name(err)
	}
	value := func(text string) *string { return &text }
	see("incremental", altering(topic, kadm.AlterConfig{Name: "max.message.bytes", Value: value("2000000")}, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: "retention.ms"}))
	altered := "cleanup.policy=delete DEFAULT_CONFIG max.message.bytes=2000000 DYNAMIC_TOPIC_CONFIG retention.ms=604800000 DEFAULT_CONFIG "
	see("altered", settle(altered, describe))
	see("bad value", altering(topic, kadm.AlterConfig{Name: "retention.ms", Value: value("soon")}))
	see("unknown topic", altering(topic+"-none", kadm.AlterConfig{Name: "retention.ms", Value: value("1")}))
	set, err := admin.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: value("7200000")}}, topic)
	for _, each := range set {
		err = errors.Join(err, each.Err)
	}
	see("old alter", name(err))
	replaced := "cleanup.policy=delete DEFAULT_CONFIG max.message.bytes=1048588 DEFAULT_CONFIG retention.ms=7200000 DYNAMIC_TOPIC_CONFIG "
	see("replaced", settle(replaced, describe))
	node := must(admin.ListBrokers(ctx)).NodeIDs()[0]
	see("broker has configs", len(must(must(admin.DescribeBrokerConfigs(ctx, node)).On(fmt.Sprint(node), nil)).Configs) > 0)
	return ""
}

func adminRecords(topic string) string {
	create(topic, 1)
	fill(topic, 100)
	deleting := func(partition int32, before int64) string {
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: before})
		deleted, err := admin.DeleteRecords(ctx, offsets)
		if err != nil {
			return name(err)
		}
		found, _ := deleted.Lookup(topic, partition)
		if found.Err != nil {
			return name(found.Err)
		}
		return fmt.Sprint(found.LowWatermark)
	}
	see("low watermark", deleting(0, 40))
	see("beyond the end", deleting(0, 500))
	inOrder(readAll(topic, 1, 60), 40, 100)
	see("all", deleting(0, -1))
	check(seen["low watermark"] == "40" && seen["beyond the end"] == "OFFSET_OUT_OF_RANGE", "%v", seen)
	return ""
}

func adminCluster(topic string) string {
	create(topic, 1)
	fill(topic, 100)
	metadata := must(admin.BrokerMetadata(ctx))
	see("nodes", len(metadata.Brokers))
	check(metadata.Cluster != "", "no cluster id")
	controller := false
	for _, broker := range metadata.Brokers {
		controller = controller || broker.NodeID == metadata.Controller
	}
	see("controller is a node", controller)
	plain := client()
	defer plain.Close()
	request := kmsg.NewPtrDescribeClusterRequest()
	described := must(request.RequestWith(ctx, plain))
	see("described", fmt.Sprint(name(kerr.ErrorForCode(described.ErrorCode)), " ", len(described.Brokers), " ", described.ClusterID == metadata.Cluster))
	dirs := must(admin.DescribeAllLogDirs(ctx, nil))
	size := int64(0)
	for _, dir := range dirs[metadata.Brokers[0].NodeID] {
		if partition, found := dir.Topics.Lookup(topic, 0); found {
			size = partition.Size
		}
	}
	see("size is known", size > 0)
	versions := must(admin.ApiVersions(ctx))
	for _, each := range versions {
		check(each.Err == nil, "%v", each.Err)
	}
	return ""
}

func autoCreate(topic string) string {
	see("not allowed", name(must(admin.ListTopics(ctx, topic))[topic].Err))
	time.Sleep(500 * time.Millisecond)
	see("exists then", must(admin.ListTopics(ctx)).Has(topic))
	producer := client(kgo.AllowAutoTopicCreation())
	defer producer.Close()
	_, err := producer.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("v")}).First()
	see("allowed", name(err))
	see("exists at the end", settle("true", func() string { return fmt.Sprint(must(admin.ListTopics(ctx)).Has(topic)) }))
	plain := client(kgo.UnknownTopicRetries(2))
	defer plain.Close()
	_, err = plain.ProduceSync(ctx, &kgo.Record{Topic: topic + "-none", Value: []byte("v")}).First()
	see("produce to none", name(err))
	return ""
}

func recreate(topic string) string {
	create(topic, 1)
	fill(topic, 10)
	consumer := assigned(topic, 1, kgo.NewOffset().AtStart(), kgo.KeepRetryableFetchErrors())
	defer consumer.Close()
	inOrder(must(read(consumer, 10)), 0, 10)
	must(admin.DeleteTopic(ctx, topic))
	// In the order in which they come; which of them come depends on what is under way.
	var said []string
	for until := time.Now().Add(3 * time.Second); time.Now().Before(until); {
		short, cancel := context.WithDeadline(ctx, until)
		for _, failed := range consumer.PollFetches(short).Errors() {
			if what := name(failed.Err); short.Err() == nil && !slices.Contains(said, what) {
				said = append(said, what)
			}
		}
		cancel()
	}
	check(len(said) > 0, "no error while it is gone")
	detail := "while it is gone: " + strings.Join(said, ", ")
	create(topic, 1)
	fill(topic, 5)
	// Its documentation: a client that stands on a topic has to purge it before it follows the new one.
	consumer.PurgeTopicsFromConsuming(topic)
	consumer.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}})
	var records []*kgo.Record
	// It has metadata from before for a while.
	for until := time.Now().Add(10 * time.Second); len(records) < 5 && time.Now().Before(until); {
		more, _ := read(consumer, 5-len(records))
		records = append(records, more...)
	}
	inOrder(records, 0, 5)
	return detail
}
