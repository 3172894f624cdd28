// Package groups has what members of a consumer group go through, whichever client of Go they are of.
package groups

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

const (
	partitions = 6
	keys       = 24
	round      = 240
	// The shortest that brokers allow.
	sessionMs = 6_000
)

// Settings of a member.
type Settings struct {
	Assignor, Instance string
	SessionMs          int
	// It commits nothing.
	NoCommits bool
}

// Client is how a client does what the flow needs. Run is a member until the context ends.
type Client struct {
	Create    func(topic string, partitions int32)
	Produce   func(topic string, values []int)
	Committed func(group string) int64
	Run       func(ctx context.Context, member *Member, topic, group string, settings Settings) error
	// The client does not tell its members when partitions come and go.
	Untold bool
	// Error's name.
	Name func(err error) string
	See  func(key string, value any)
}

// Member is a member in a goroutine of its own.
type Member struct {
	lock              sync.Mutex
	values            []int
	owned             map[int32]bool
	revoked, assigned int
	failure           error
	cancel            context.CancelFunc
	done              chan struct{}
}

// Read notes what it has read.
func (m *Member) Read(value []byte) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.values = append(m.values, must(strconv.Atoi(string(value))))
}

// Assigned notes partitions that came.
func (m *Member) Assigned(of []int32) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.assigned++
	for _, partition := range of {
		m.owned[partition] = true
	}
}

// Revoked notes partitions that went.
func (m *Member) Revoked(of []int32) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.revoked += len(of)
	for _, partition := range of {
		delete(m.owned, partition)
	}
}

// Owns notes all that it has, where a client does not tell of changes.
func (m *Member) Owns(of []int32) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.owned = map[int32]bool{}
	for _, partition := range of {
		m.owned[partition] = true
	}
}

func (m *Member) has() int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return len(m.owned)
}

func (m *Member) all() []int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return append([]int(nil), m.values...)
}

func (m *Member) error() error {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.failure
}

func (m *Member) close() {
	m.cancel()
	<-m.done
	if m.failure != nil {
		panic(m.failure)
	}
}

func (c Client) member(topic, group string, settings Settings) *Member {
	ctx, cancel := context.WithCancel(context.Background())
	member := &Member{owned: map[int32]bool{}, cancel: cancel, done: make(chan struct{})}
	go func() {
		err := c.Run(ctx, member, topic, group, settings)
		member.lock.Lock()
		member.failure = err
		member.lock.Unlock()
		close(member.done)
	}()
	return member
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

func until(what string, members []*Member, holds func() bool) {
	deadline := time.Now().Add(40 * time.Second)
	for !holds() {
		for _, member := range members {
			check(member.error() == nil, "%s: %v", what, member.error())
		}
		check(time.Now().Before(deadline), "not within 40 s: %s", what)
		time.Sleep(50 * time.Millisecond)
	}
}

func times(first, count int, members ...*Member) int {
	found := 0
	for _, member := range members {
		for _, value := range member.all() {
			if value >= first && value < first+count {
				found++
			}
		}
	}
	return found
}

func haveSeen(first, count int, members ...*Member) bool {
	known := map[int]bool{}
	for _, member := range members {
		for _, value := range member.all() {
			known[value] = known[value] || value >= first && value < first+count
		}
	}
	found := 0
	for _, in := range known {
		if in {
			found++
		}
	}
	return found == count
}

// The first time that a member sees a record comes behind those of the same key that were written before.
func inOrderOfKeys(members ...*Member) {
	for _, member := range members {
		last, known := map[int]int{}, map[int]bool{}
		for _, value := range member.all() {
			if known[value] {
				continue
			}
			known[value] = true
			before, some := last[value%keys]
			check(!some || before < value, "%d of a key came after %d", value, before)
			last[value%keys] = value
		}
	}
}

// Key is the one of a value: they come again.
func Key(value int) []byte { return fmt.Appendf(nil, "key-%d", value%keys) }

func (c Client) produce(topic string, first, count int) {
	values := make([]int, count)
	for i := range values {
		values[i] = first + i
	}
	c.Produce(topic, values)
}

// Members come and leave.
func (c Client) Members(topic, assignor string) string {
	group := topic + "-group"
	settings := Settings{Assignor: assignor}
	c.Create(topic, partitions)
	c.produce(topic, 0, round)
	first := c.member(topic, group, settings)
	until("the first has all", []*Member{first}, func() bool { return haveSeen(0, round, first) && first.has() == partitions })
	revoked := first.revoked
	second := c.member(topic, group, settings)
	both := []*Member{first, second}
	for i := range 8 {
		c.produce(topic, round+i*round/8, round/8)
		time.Sleep(200 * time.Millisecond)
	}
	until("both share", both, func() bool { return haveSeen(round, round, both...) && first.has() == 3 && second.has() == 3 })
	if !c.Untold {
		c.See("revoked for the second", first.revoked-revoked)
	}
	twice := times(0, 2*round, both...) - 2*round
	c.produce(topic, 2*round, round)
	until("both read", both, func() bool { return haveSeen(2*round, round, both...) })
	c.See("seen while they are two", times(2*round, round, both...))
	second.close()
	until("the first has all again", []*Member{first}, func() bool { return first.has() == partitions })
	c.produce(topic, 3*round, round)
	until("the first reads on", []*Member{first}, func() bool { return haveSeen(3*round, round, first) })
	c.See("seen when it is alone", times(3*round, round, first))
	first.close()
	inOrderOfKeys(both...)
	committed := c.Committed(group)
	c.See("committed", committed)
	c.produce(topic, 4*round, 30)
	third, other := c.member(topic, group, settings), c.member(topic, group+"-2", settings)
	until("a new member goes on", []*Member{third}, func() bool { return haveSeen(4*round, 30, third) })
	until("a second group has all", []*Member{other}, func() bool { return haveSeen(0, 4*round+30, other) })
	third.close()
	other.close()
	inOrderOfKeys(third, other)
	c.See("seen by a new member", len(third.all()))
	c.See("seen by a second group", len(other.all()))
	check(committed == 4*round && len(third.all()) == 30, "committed %d, then %d", committed, len(third.all()))
	return fmt.Sprintf("%d read twice as the second came", twice)
}

// Static members come back.
func (c Client) Static(topic string, instances func(group string) []string) string {
	group := topic + "-group"
	of := func(name string) Settings { return Settings{Instance: name, SessionMs: 20_000} }
	c.Create(topic, partitions)
	first := c.member(topic, group, of("first"))
	until("the first has all", []*Member{first}, func() bool { return first.has() == partitions })
	second := c.member(topic, group, of("second"))
	until("both share", []*Member{first, second}, func() bool { return first.has() == 3 && second.has() == 3 })
	before, assigned := fmt.Sprint(second.owned), first.assigned
	c.produce(topic, 0, round)
	until("both read", []*Member{first, second}, func() bool { return haveSeen(0, round, first, second) })
	// A static member that ends does not leave the group.
	second.close()
	c.produce(topic, round, round)
	again := c.member(topic, group, of("second"))
	until("it comes back", []*Member{first, again}, func() bool { return again.has() == 3 && haveSeen(round, round, first, again) })
	c.See("the same partitions", before == fmt.Sprint(again.owned))
	c.See("rebalances of the other", first.assigned-assigned)
	c.See("seen after its return", times(round, round, first, again))
	c.See("instances", instances(group))
	twin := c.member(topic, group, of("second"))
	until("the one before is fenced", []*Member{first, twin}, func() bool { return again.error() != nil })
	c.See("fenced", c.Name(again.error()))
	until("the new one has its place", []*Member{first, twin}, func() bool { return twin.has() == 3 })
	twin.close()
	first.close()
	inOrderOfKeys(first, second, again)
	return ""
}

// Killed has a member in a process that is killed: see BeKilled.
func (c Client) Killed(topic string) string {
	group := topic + "-group"
	c.Create(topic, partitions)
	first := c.member(topic, group, Settings{SessionMs: sessionMs})
	until("the first has all", []*Member{first}, func() bool { return first.has() == partitions })
	child := exec.Command(must(os.Executable()))
	child.Env = append(os.Environ(), "MEMBER_OF="+group, "TOPIC="+topic)
	output := must(child.StdoutPipe())
	must(0, child.Start())
	defer child.Wait()
	defer child.Process.Kill()
	other := &Member{owned: map[int32]bool{}}
	go func() {
		for lines := bufio.NewScanner(output); lines.Scan(); {
			other.Read(lines.Bytes())
		}
	}()
	until("both share", []*Member{first}, func() bool { return first.has() == 3 })
	c.produce(topic, 0, round)
	until("both read", []*Member{first}, func() bool { return haveSeen(0, round, first, other) })
	check(len(other.all()) > 0 && !haveSeen(0, round, first), "the other process has read %d", len(other.all()))
	before := time.Now()
	child.Process.Kill()
	until("it takes over", []*Member{first}, func() bool { return first.has() == partitions })
	ms := time.Since(before).Milliseconds()
	// The other one has committed nothing.
	until("it reads what the other had read", []*Member{first}, func() bool { return haveSeen(0, round, first) })
	first.close()
	inOrderOfKeys(first)
	c.See("committed", c.Committed(group))
	check(ms > sessionMs-3_000 && ms < sessionMs+9_000, "taken over after %d ms", ms)
	return fmt.Sprintf("taken over after %d ms", ms)
}

// BeKilled is the process that is killed, when this is it: a member that commits nothing and prints what it reads.
func (c Client) BeKilled() {
	group := os.Getenv("MEMBER_OF")
	if group == "" {
		return
	}
	member := c.member(os.Getenv("TOPIC"), group, Settings{SessionMs: sessionMs, NoCommits: true})
	for told := 0; member.error() == nil; time.Sleep(20 * time.Millisecond) {
		all := member.all()
		for ; told < len(all); told++ {
			fmt.Println(all[told])
		}
	}
	panic(member.error())
}
