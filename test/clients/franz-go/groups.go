package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sort"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	groups "weir.test/go-groups"
)

var balancers = map[string]kgo.GroupBalancer{
	"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(), "cooperative": kgo.CooperativeStickyBalancer(),
}

var flow = groups.Client{
	Create: func(topic string, partitions int32) { create(topic, partitions) },
	Produce: func(topic string, values []int) {
		producer := client()
		defer producer.Close()
		var records []*kgo.Record
		for _, value := range values {
			records = append(records, &kgo.Record{Topic: topic, Key: groups.Key(value), Value: fmt.Append(nil, value)})
		}
		must(producer.ProduceSync(ctx, records...).First())
	},
	Committed: func(group string) (sum int64) {
		must(admin.FetchOffsets(ctx, group)).Each(func(offset kadm.OffsetResponse) { sum += offset.At })
		return sum
	},
	Run: runMember, Name: name, See: see,
}

func addGroups(scenarios map[string]func(topic string) string) {
	for assignor := range balancers {
		scenarios["group-"+assignor] = func(topic string) string { return flow.Members(topic, assignor) }
	}
	scenarios["group-static"] = func(topic string) string { return flow.Static(topic, instances) }
	scenarios["group-killed"] = flow.Killed
	scenarios["group-commits"] = groupCommits
	scenarios["group-reset"] = groupReset
	scenarios["group-admin"] = groupAdmin
}

func groupClient(group, topic string, options ...kgo.Opt) *kgo.Client {
	from := kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
	return client(append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), from, kgo.DisableAutoCommit()}, options...)...)
}

func runMember(ctx context.Context, member *groups.Member, topic, group string, settings groups.Settings) error {
	note := func(to func([]int32)) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, of map[string][]int32) { to(of[topic]) }
	}
	options := []kgo.Opt{
		kgo.OnPartitionsAssigned(note(member.Assigned)), kgo.OnPartitionsRevoked(note(member.Revoked)), kgo.OnPartitionsLost(note(member.Revoked)),
		kgo.BlockRebalanceOnPoll(),
	}
	if settings.Assignor != "" {
		options = append(options, kgo.Balancers(balancers[settings.Assignor]))
	}
	if settings.Instance != "" {
		options = append(options, kgo.InstanceID(settings.Instance))
	}
	if settings.SessionMs > 0 {
		options = append(options, kgo.SessionTimeout(time.Duration(settings.SessionMs)*time.Millisecond), kgo.HeartbeatInterval(time.Second))
	}
	consumer := groupClient(group, topic, options...)
	defer consumer.CloseAllowingRebalance()
	for ctx.Err() == nil {
		fetches := consumer.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			if ctx.Err() == nil {
				return failed.Err
			}
		}
		fetches.EachRecord(func(record *kgo.Record) { member.Read(record.Value) })
		if !settings.NoCommits && !fetches.Empty() {
			// What is not committed, whoever gets the partition reads again.
			if err := consumer.CommitUncommittedOffsets(context.Background()); errors.Is(err, kerr.FencedInstanceID) {
				return err
			}
		}
		consumer.AllowRebalance()
	}
	return nil
}

func instances(group string) (found []string) {
	for _, member := range must(admin.DescribeGroups(ctx, group))[group].Members {
		found = append(found, *member.InstanceID)
	}
	sort.Strings(found)
	return found
}

func offsetsOf(group string) string {
	found, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return name(err)
	}
	var all []string
	for _, offset := range found.Sorted() {
		// The client puts the member's id there.
		metadata := regexp.MustCompile("(kgo|reader)-[0-9a-f-]{36}").ReplaceAllString(offset.Metadata, "ID")
		all = append(all, fmt.Sprintf("%d: %d %s", offset.Partition, offset.At, metadata))
	}
	return fmt.Sprint(all)
}

func alter(group, topic string, partition int32, at int64, metadata string) string {
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: at, LeaderEpoch: -1, Metadata: metadata})
	return name(admin.CommitAllOffsets(ctx, group, offsets))
}

// Commits of a member, for one partition.
func commitAs(consumer *kgo.Client, topic string, partition int32, at int64) string {
	var failure error
	offsets := map[string]map[int32]kgo.EpochOffset{topic: {partition: {Epoch: -1, Offset: at}}}
	consumer.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, response *kmsg.OffsetCommitResponse, err error) {
		failure = err
		if response != nil {
			for _, topic := range response.Topics {
				for _, partition := range topic.Partitions {
					failure = errors.Join(failure, kerr.ErrorForCode(partition.ErrorCode))
				}
			}
		}
	})
	return name(failure)
}

func groupCommits(topic string) string {
	create(topic, 2)
	fill(topic, 100)
	group := topic + "-group"
	consumer := groupClient(group, topic)
	inOrder(must(read(consumer, 100)), 0, 100)
	see("before", offsetsOf(group))
	see("commit", commitAs(consumer, topic, 0, 42))
	see("committed", offsetsOf(group))
	see("unknown partition", commitAs(consumer, topic, 9, 1))
	see("from outside", alter(group, topic, 0, 1, ""))
	consumer.Close()
	see("from outside when it is empty", alter(group, topic, 0, 44, "here"))
	see("committed then", offsetsOf(group))
	consumer = groupClient(group, topic)
	inOrder(must(read(consumer, 56)), 44, 100)
	consumer.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: 90}}})
	inOrder(must(read(consumer, 10)), 90, 100)
	consumer.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {0: {Epoch: -1, Offset: 0}}})
	inOrder(must(read(consumer, 100)), 0, 100)
	consumer.Close()
	// By itself as it closes.
	consumer = client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic))
	inOrder(must(read(consumer, 56)), 44, 100)
	consumer.PollRecords(shortly(), 1)
	consumer.Close()
	see("by itself", offsetsOf(group))
	consumer = groupClient(group+"-none", topic, kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	check(len(must(read(consumer, 1))) == 0, "nothing is new")
	consumer.Close()
	check(seen["committed"] == "[0: 42 ID]" && seen["by itself"] == "[0: 100 ID]", "%v", seen)
	return ""
}

func shortly() context.Context {
	short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	time.AfterFunc(time.Second, cancel)
	return short
}

func groupReset(topic string) string {
	create(topic, 2)
	fill(topic, 100)
	group := topic + "-group"
	see("of a new group", alter(group, topic, 0, 70, "set"))
	see("offsets", offsetsOf(group))
	consumer := groupClient(group, topic)
	inOrder(must(read(consumer, 30)), 70, 100)
	see("while there are members", alter(group, topic, 0, 0, ""))
	deleting := func(group string) string {
		deleted, err := admin.DeleteOffsets(ctx, group, kadm.TopicsSet{topic: {0: {}}})
		return name(errors.Join(err, deleted.Error()))
	}
	see("delete while it is subscribed", deleting(group))
	consumer.Close()
	see("back", alter(group, topic, 0, 10, ""))
	see("unknown partition", alter(group, topic, 9, 10, ""))
	consumer = groupClient(group, topic)
	inOrder(must(read(consumer, 90)), 10, 100)
	consumer.Close()
	see("delete", deleting(group))
	see("after", offsetsOf(group))
	see("delete of an unknown group", deleting(group+"-none"))
	consumer = groupClient(group, topic)
	inOrder(must(read(consumer, 100)), 0, 100)
	consumer.Close()
	check(seen["back"] == "ok" && seen["delete"] == "ok", "%v", seen)
	return ""
}

func groupAdmin(topic string) string {
	create(topic, 4)
	fill(topic, 10)
	group := topic + "-group"
	listed := func(found kadm.ListedGroups, err error) string {
		if of, has := found[group]; err == nil && has {
			return fmt.Sprint(of.GroupType, " ", of.ProtocolType, " ", of.State)
		}
		return name(err)
	}
	described := func(group string) string {
		of := must(admin.DescribeGroups(ctx, group))[group]
		var members []string
		for _, member := range of.Members {
			isId := regexp.MustCompile("^reader-[0-9a-f-]{36}$").MatchString(member.MemberID)
			members = append(members, fmt.Sprint(member.ClientID, " ", member.ClientHost, " ", isId))
		}
		return fmt.Sprint(name(of.Err), " ", of.State, " ", of.ProtocolType, " ", of.Protocol, " ", members, " ", len(of.AssignedPartitions()[topic]))
	}
	consumer := groupClient(group, topic, kgo.ClientID("reader"))
	inOrder(must(read(consumer, 10)), 0, 10)
	see("commit", commitAs(consumer, topic, 0, 5))
	see("listed", listed(admin.ListGroups(ctx)))
	see("listed as stable", listed(admin.ListGroups(ctx, "Stable")))
	see("listed as empty", listed(admin.ListGroups(ctx, "Empty")))
	see("listed as classic", listed(admin.ListGroupsByType(ctx, []string{"classic"})))
	see("described", described(group))
	deleting := func() string {
		deleted, err := admin.DeleteGroup(ctx, group)
		return name(errors.Join(err, deleted.Err))
	}
	see("delete when somebody is in it", deleting())
	consumer.Close()
	see("empty", described(group))
	see("offsets", offsetsOf(group))
	see("offsets of an unknown group", offsetsOf(group+"-none"))
	see("unknown", described(group+"-none"))
	see("delete", deleting())
	see("gone", described(group))
	see("offsets then", offsetsOf(group))
	see("listed then", listed(admin.ListGroups(ctx)))
	see("delete again", deleting())
	check(seen["delete"] == "ok" && seen["delete again"] == "GROUP_ID_NOT_FOUND", "%v", seen)
	return ""
}
