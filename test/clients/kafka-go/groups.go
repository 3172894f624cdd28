package main

import (
	"context"
	"fmt"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	groups "weir.test/go-groups"
)

var balancers = map[string]kafka.GroupBalancer{"range": kafka.RangeGroupBalancer{}, "roundrobin": kafka.RoundRobinGroupBalancer{}}

var started atomic.Int32

var flow = groups.Client{
	Create: func(topic string, partitions int32) { create(topic, int(partitions)) },
	Produce: func(topic string, values []int) {
		var messages []kafka.Message
		for _, value := range values {
			messages = append(messages, kafka.Message{Key: groups.Key(value), Value: fmt.Append(nil, value)})
		}
		write(writer(topic, func(writer *kafka.Writer) { writer.Balancer = kafka.Murmur2Balancer{} }), messages...)
	},
	Run: runMember, Name: name, See: see, Untold: true,
}

func addGroups(scenarios map[string]func(topic string) string) {
	without := func(why notApplicable) func(string) string { return func(string) string { panic(why) } }
	flow.Committed = func(group string) (sum int64) {
		for _, partition := range committedOf(group, group[:len(group)-len("-group")], 6) {
			sum += partition
		}
		return sum
	}
	for assignor := range balancers {
		scenarios["group-"+assignor] = func(topic string) string { return flow.Members(topic, assignor) }
	}
	scenarios["group-cooperative"] = without("no cooperative balancer")
	scenarios["group-static"] = without("its readers are no static members")
	scenarios["group-killed"] = flow.Killed
	scenarios["group-commits"] = groupCommits
	scenarios["group-reset"] = groupReset
	scenarios["group-admin"] = groupAdmin
}

func groupReader(group, topic string, changes ...func(*kafka.ReaderConfig)) *kafka.Reader {
	config := kafka.ReaderConfig{Brokers: []string{bootstrap}, GroupID: group, Topic: topic, StartOffset: kafka.FirstOffset, MaxWait: 200 * time.Millisecond, MinBytes: 1, MaxBytes: 8_000_000}
	for _, change := range changes {
		change(&config)
	}
	return kafka.NewReader(config)
}

func runMember(ctx context.Context, member *groups.Member, topic, group string, settings groups.Settings) error {
	// The group's members are told apart by it.
	id := fmt.Sprint("member-", started.Add(1))
	if settings.NoCommits {
		id = "to be killed"
	}
	reader := groupReader(group, topic, func(config *kafka.ReaderConfig) {
		config.Dialer = &kafka.Dialer{ClientID: id, Timeout: 10 * time.Second}
		if settings.Assignor != "" {
			config.GroupBalancers = []kafka.GroupBalancer{balancers[settings.Assignor]}
		}
		if settings.SessionMs > 0 {
			config.SessionTimeout = time.Duration(settings.SessionMs) * time.Millisecond
			config.HeartbeatInterval = time.Second
		}
	})
	defer reader.Close()
	go func() {
		for ; ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
			member.Owns(ownedBy(group, topic, id))
		}
	}()
	for {
		next := reader.ReadMessage
		if settings.NoCommits {
			next = reader.FetchMessage
		}
		message, err := next(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		member.Read(message.Value)
	}
}

func ownedBy(group, topic, id string) (owned []int32) {
	response, err := client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	if err != nil {
		return nil
	}
	for _, member := range response.Groups[0].Members {
		for _, assigned := range member.MemberAssignments.Topics {
			if member.ClientID != id || assigned.Topic != topic {
				continue
			}
			for _, partition := range assigned.Partitions {
				owned = append(owned, int32(partition))
			}
		}
	}
	return owned
}

func committedOf(group, topic string, partitions int) map[int]int64 {
	asked := map[string][]int{topic: {}}
	for partition := range partitions {
		asked[topic] = append(asked[topic], partition)
	}
	response := must(client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: asked}))
	found := map[int]int64{}
	for _, partition := range response.Topics[topic] {
		if partition.CommittedOffset >= 0 {
			found[partition.Partition] = partition.CommittedOffset
		}
	}
	return found
}

func alter(group, topic string, partition int, offset int64) string {
	commit := kafka.OffsetCommit{Partition: partition, Offset: offset, Metadata: "set"}
	response, err := client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{topic: {commit}}})
	if err != nil {
		return name(err)
	}
	return name(response.Topics[topic][0].Error)
}

func deleteOffset(group, topic string) string {
	response, err := client.OffsetDelete(ctx, &kafka.OffsetDeleteRequest{GroupID: group, Topics: map[string][]int{topic: {0}}})
	if err != nil {
		return name(err)
	}
	if response.Error != nil || len(response.Topics[topic]) == 0 {
		return name(response.Error)
	}
	return name(response.Topics[topic][0].Error)
}

func groupCommits(topic string) string {
	create(topic, 2)
	fill(topic, 100)
	group := topic + "-group"
	part := groupReader(group, topic)
	var last kafka.Message
	for range 42 {
		last = must(part.FetchMessage(ctx))
	}
	see("before", committedOf(group, topic, 2))
	must(0, part.CommitMessages(ctx, last))
	see("committed", committedOf(group, topic, 2))
	see("from outside", alter(group, topic, 0, 1))
	part.Close()
	see("from outside when it is empty", alter(group, topic, 0, 44))
	part = groupReader(group, topic)
	inOrder(read(part, 56, 15*time.Second), 44, 100)
	part.Close()
	see("by itself", committedOf(group, topic, 2))
	part = groupReader(group+"-latest", topic, func(config *kafka.ReaderConfig) { config.StartOffset = kafka.LastOffset })
	check(len(read(part, 1, 6*time.Second)) == 0, "nothing is new")
	part.Close()
	check(seen["committed"] == "map[0:42]" && seen["by itself"] == "map[0:100]", "%v", seen)
	return ""
}

func groupReset(topic string) string {
	create(topic, 1)
	fill(topic, 100)
	group := topic + "-group"
	see("of a new group", alter(group, topic, 0, 70))
	part := groupReader(group, topic)
	inOrder(read(part, 30, 15*time.Second), 70, 100)
	see("while there are members", alter(group, topic, 0, 0))
	see("delete while it is subscribed", deleteOffset(group, topic))
	part.Close()
	see("back", alter(group, topic, 0, 10))
	see("unknown partition", alter(group, topic, 9, 10))
	part = groupReader(group, topic)
	inOrder(read(part, 90, 15*time.Second), 10, 100)
	part.Close()
	see("delete", deleteOffset(group, topic))
	see("after", committedOf(group, topic, 1))
	see("delete of an unknown group", deleteOffset(group+"-none", topic))
	part = groupReader(group, topic)
	inOrder(read(part, 100, 15*time.Second), 0, 100)
	part.Close()
	check(seen["back"] == "ok" && seen["delete"] == "ok", "%v", seen)
	return ""
}

func groupAdmin(topic string) string {
	create(topic, 1)
	fill(topic, 10)
	group := topic + "-group"
	listed := func() string {
		for _, each := range must(client.ListGroups(ctx, &kafka.ListGroupsRequest{})).Groups {
			if each.GroupID == group {
				return "listed"
			}
		}
		return "not listed"
	}
	described := func(group string) string {
		of := must(client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})).Groups[0]
		var members []string
		for _, member := range of.Members {
			isId := regexp.MustCompile("^reader-[0-9a-f-]{36}$").MatchString(member.MemberID)
			members = append(members, fmt.Sprint(member.ClientID, " ", member.ClientHost, " ", isId, " ", member.MemberAssignments.Topics))
		}
		return fmt.Sprint(name(of.Error), " ", of.GroupState, " ", len(members), " ", regexp.MustCompile(regexp.QuoteMeta(topic)).ReplaceAllString(fmt.Sprint(members), "T"))
	}
	deleting := func() string {
		return name(must(client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{group}})).Errors[group])
	}
	part := groupReader(group, topic, func(config *kafka.ReaderConfig) {
		config.Dialer = &kafka.Dialer{ClientID: "reader", Timeout: 10 * time.Second}
	})
	inOrder(read(part, 10, 15*time.Second), 0, 10)
	see("listed", listed())
	see("described", described(group))
	see("delete when somebody is in it", deleting())
	part.Close()
	see("empty", described(group))
	see("offsets", committedOf(group, topic, 1))
	see("offsets of an unknown group", committedOf(group+"-none", topic, 1))
	see("unknown", described(group+"-none"))
	see("delete", deleting())
	see("gone", described(group))
	see("offsets then", committedOf(group, topic, 1))
	see("listed then", listed())
	see("delete again", deleting())
	check(seen["delete"] == "ok", "%v", seen)
	return ""
}
