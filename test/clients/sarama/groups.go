package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
	groups "weir.test/go-groups"
)

var strategies = map[string]sarama.BalanceStrategy{
	"range": sarama.NewBalanceStrategyRange(), "roundrobin": sarama.NewBalanceStrategyRoundRobin(),
}

var flow = groups.Client{
	Create: func(topic string, partitions int32) { create(topic, partitions) },
	Produce: func(topic string, values []int) {
		client := producer(func(config *sarama.Config) { config.Producer.Partitioner = sarama.NewHashPartitioner })
		defer client.Close()
		var messages []*sarama.ProducerMessage
		for _, value := range values {
			messages = append(messages, &sarama.ProducerMessage{Topic: topic, Key: sarama.ByteEncoder(groups.Key(value)), Value: sarama.StringEncoder(fmt.Sprint(value))})
		}
		must(0, client.SendMessages(messages))
	},
	Committed: func(group string) (sum int64) {
		for _, offset := range committedOf(group) {
			sum += offset
		}
		return sum
	},
	Run: runMember, Name: name, See: see,
}

func addGroups(scenarios map[string]func(topic string) string) {
	for assignor := range strategies {
		scenarios["group-"+assignor] = func(topic string) string { return flow.Members(topic, assignor) }
	}
	scenarios["group-cooperative"] = func(string) string { panic(notApplicable("no cooperative assignor")) }
	scenarios["group-static"] = func(topic string) string { return flow.Static(topic, instances) }
	scenarios["group-killed"] = flow.Killed
	scenarios["group-commits"] = groupCommits
	scenarios["group-reset"] = groupReset
	scenarios["group-admin"] = groupAdmin
}

// What it tells its user of a session.
type handler struct {
	assigned, revoked func(of []int32)
	consume           func(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error
	topic             string
}

func (h handler) Setup(session sarama.ConsumerGroupSession) error {
	h.assigned(session.Claims()[h.topic])
	return nil
}

func (h handler) Cleanup(session sarama.ConsumerGroupSession) error {
	h.revoked(session.Claims()[h.topic])
	return nil
}

func (h handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	return h.consume(session, claim)
}

func inGroup(changes ...func(*sarama.Config)) *sarama.Config {
	made := config()
	made.Consumer.Offsets.Initial = sarama.OffsetOldest
	made.Consumer.Offsets.AutoCommit.Enable = false
	made.Consumer.MaxWaitTime = 100 * time.Millisecond
	// What goes wrong ends Consume or is seen by what is read.
	made.Consumer.Return.Errors = false
	for _, change := range changes {
		change(made)
	}
	return made
}

func runMember(ctx context.Context, member *groups.Member, topic, group string, settings groups.Settings) error {
	client := must(sarama.NewConsumerGroup([]string{bootstrap}, group, inGroup(func(config *sarama.Config) {
		if settings.Assignor != "" {
			config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategies[settings.Assignor]}
		}
		config.Consumer.Group.InstanceId = settings.Instance
		if settings.SessionMs > 0 {
			config.Consumer.Group.Session.Timeout = time.Duration(settings.SessionMs) * time.Millisecond
			config.Consumer.Group.Heartbeat.Interval = time.Second
		}
	})))
	defer client.Close()
	consume := func(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
		for {
			select {
			case message, open := <-claim.Messages():
				if !open {
					return nil
				}
				member.Read(message.Value)
				if !settings.NoCommits {
					session.MarkMessage(message, "")
					session.Commit()
				}
			case <-session.Context().Done():
				return nil
			}
		}
	}
	for ctx.Err() == nil {
		err := client.Consume(ctx, []string{topic}, handler{member.Assigned, member.Revoked, consume, topic})
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func committedOf(group string) map[int32]int64 {
	response := must(admin.ListConsumerGroupOffsets(group, nil))
	found := map[int32]int64{}
	for _, partitions := range response.Blocks {
		for partition, block := range partitions {
			if block.Offset >= 0 {
				found[partition] = block.Offset
			}
		}
	}
	return found
}

func instances(group string) (found []string) {
	for _, member := range must(admin.DescribeConsumerGroups([]string{group}))[0].Members {
		found = append(found, *member.GroupInstanceId)
	}
	slices.Sort(found)
	return found
}

// Reads values as a member until there are so many or ten seconds are over; then does what it is given, still a member.
func readAsMember(group, topic string, count int, then func(session sarama.ConsumerGroupSession), changes ...func(*sarama.Config)) []string {
	client := must(sarama.NewConsumerGroup([]string{bootstrap}, group, inGroup(changes...)))
	defer client.Close()
	within, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	var values []string
	var lock sync.Mutex
	consume := func(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
		for {
			select {
			case message, open := <-claim.Messages():
				if !open {
					return nil
				}
				lock.Lock()
				values = append(values, string(message.Value))
				session.MarkMessage(message, "")
				isLast := len(values) == count
				lock.Unlock()
				if isLast {
					then(session)
					cancel()
				}
			case <-session.Context().Done():
				return nil
			}
		}
	}
	nothing := func([]int32) {}
	err := client.Consume(within, []string{topic}, handler{nothing, nothing, consume, topic})
	check(err == nil || within.Err() != nil, "%v", err)
	return values
}

func numbers(from, to int) string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprint(i))
	}
	return strings.Join(all, " ")
}

func checkRead(values []string, from, to int) {
	check(strings.Join(values, " ") == numbers(from, to), "%v instead of %d to %d", values, from, to)
}

func alter(group, topic string, partition int32, offset int64) string {
	offsets := map[string]map[int32]sarama.OffsetAndMetadata{topic: {partition: {Offset: offset, LeaderEpoch: -1, Metadata: "set"}}}
	response, err := admin.AlterConsumerGroupOffsets(group, offsets, nil)
	if err != nil {
		return name(err)
	}
	if failure := response.Errors[topic][partition]; failure != sarama.ErrNoError {
		return name(failure)
	}
	return "ok"
}

func groupCommits(topic string) string {
	create(topic, 2)
	fill(topic, 100)
	group := topic + "-group"
	values := readAsMember(group, topic, 100, func(session sarama.ConsumerGroupSession) {
		see("before", committedOf(group))
		session.Commit()
		see("committed", committedOf(group))
		session.ResetOffset(topic, 0, 42, "back")
		session.Commit()
		see("committed back", committedOf(group))
	})
	checkRead(values, 0, 100)
	checkRead(readAsMember(group, topic, 58, func(sarama.ConsumerGroupSession) {}), 42, 100)
	// By itself as it closes.
	byItself := func(config *sarama.Config) { config.Consumer.Offsets.AutoCommit.Enable = true }
	checkRead(readAsMember(group, topic, 58, func(sarama.ConsumerGroupSession) {}, byItself), 42, 100)
	see("by itself", committedOf(group))
	// Without a group of members.
	client := must(sarama.NewClient([]string{bootstrap}, config()))
	defer client.Close()
	manager := must(sarama.NewOffsetManagerFromClient(group, client))
	partition := must(manager.ManagePartition(topic, 0))
	next, metadata := partition.NextOffset()
	see("next", fmt.Sprint(next, " ", metadata))
	partition.ResetOffset(7, "here")
	manager.Commit()
	partition.AsyncClose()
	manager.Close()
	see("from outside when it is empty", committedOf(group))
	check(seen["committed"] == "map[0:100]" && seen["by itself"] == "map[0:100]", "%v", seen)
	return ""
}

func groupReset(topic string) string {
	create(topic, 1)
	fill(topic, 100)
	group := topic + "-group"
	see("of a new group", alter(group, topic, 0, 70))
	deleting := func(group string) string { return name(admin.DeleteConsumerGroupOffset(group, topic, 0)) }
	values := readAsMember(group, topic, 30, func(sarama.ConsumerGroupSession) {
		see("while there are members", alter(group, topic, 0, 0))
		see("delete while it is subscribed", deleting(group))
	})
	checkRead(values, 70, 100)
	see("back", alter(group, topic, 0, 10))
	see("unknown partition", alter(group, topic, 9, 10))
	checkRead(readAsMember(group, topic, 90, func(sarama.ConsumerGroupSession) {}), 10, 100)
	see("delete", deleting(group))
	see("after", committedOf(group))
	see("delete of an unknown group", deleting(group+"-none"))
	checkRead(readAsMember(group, topic, 100, func(sarama.ConsumerGroupSession) {}), 0, 100)
	check(seen["back"] == "ok" && seen["delete"] == "ok", "%v", seen)
	return ""
}

func groupAdmin(topic string) string {
	create(topic, 1)
	fill(topic, 10)
	group := topic + "-group"
	listed := func() string {
		protocol, found := must(admin.ListConsumerGroups())[group]
		return fmt.Sprint(found, " ", protocol)
	}
	described := func(group string) string {
		of := must(admin.DescribeConsumerGroups([]string{group}))[0]
		var members []string
		for _, member := range of.Members {
			isId := regexp.MustCompile("^reader-[0-9a-f-]{36}$").MatchString(member.MemberId)
			assigned := must(member.GetMemberAssignment())
			members = append(members, fmt.Sprint(member.ClientId, " ", member.ClientHost, " ", isId, " ", len(assigned.Topics[topic])))
		}
		return fmt.Sprint(of.ErrorCode, " ", of.State, " ", of.ProtocolType, " ", of.Protocol, " ", members)
	}
	deleting := func() string { return name(admin.DeleteConsumerGroup(group)) }
	values := readAsMember(group, topic, 10, func(session sarama.ConsumerGroupSession) {
		session.Commit()
		see("listed", listed())
		see("described", described(group))
		see("delete when somebody is in it", deleting())
	}, func(config *sarama.Config) { config.ClientID = "reader" })
	checkRead(values, 0, 10)
	see("empty", described(group))
	see("offsets", committedOf(group))
	see("offsets of an unknown group", committedOf(group+"-none"))
	see("unknown", described(group+"-none"))
	see("delete", deleting())
	see("gone", described(group))
	see("offsets then", committedOf(group))
	see("listed then", listed())
	see("delete again", deleting())
	check(seen["delete"] == "ok" && errors.Is(admin.DeleteConsumerGroup(group), sarama.ErrGroupIDNotFound), "%v", seen)
	return ""
}
