package kafka_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/logrecord"
)

// testGroup: members share the partitions without overlap, take over from who
// leaves, and see partitions that are added.
func testGroup(t *testing.T, b *broker) {
	c := open(t, b)
	topic := create(t, c, 4)
	first := join(t, c, topic)
	a := next(t, first)
	if got := a.Owned[topic]; !slices.Equal(got, []int32{0, 1, 2, 3}) {
		t.Fatalf("the only member owns %v", got)
	}
	if err := a.Commit(map[string]map[int]int64{topic: {0: 7}}); err != nil {
		t.Fatalf("commit: %v", err)
	}

	second := join(t, open(t, b), topic)
	theirs := make(chan *logrecord.Assignment, 1)
	go func() { theirs <- next(t, second) }()
	await(t, "the first member to lose its assignment", a.Lost)
	ours := next(t, first)
	other := <-theirs
	all := slices.Concat(ours.Owned[topic], other.Owned[topic])
	slices.Sort(all)
	if len(ours.Owned[topic]) != 2 || !slices.Equal(all, []int32{0, 1, 2, 3}) {
		t.Fatalf("two members own %v and %v", ours.Owned, other.Owned)
	}
	for p := range int32(4) {
		if ours.Owns(topic, p) == other.Owns(topic, p) {
			t.Errorf("partition %d belongs to both or neither", p)
		}
	}

	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Next(t.Context()); !errors.Is(err, featurestore.ErrInvalid) {
		t.Errorf("next of a group that was left: %v", err)
	}
	await(t, "the second member to be told", other.Lost)
	other = next(t, second)
	if got := other.Owned[topic]; len(got) != 4 {
		t.Fatalf("after the first has left, the second owns %v", got)
	}
	if err := a.Commit(map[string]map[int]int64{topic: {0: 9}}); err == nil {
		t.Error("a commit under an assignment that has ended is taken")
	}

	grow(t, b, topic, 6)
	await(t, "the assignment to end when partitions are added", other.Lost)
	for other = next(t, second); len(other.Owned[topic]) < 6; other = next(t, second) {
		await(t, "the new partitions", other.Lost)
	}
}

// testGroupGrowing: partitions that are added just after they were shared out are shared
// out, too.
func testGroupGrowing(t *testing.T, b *broker) {
	c := open(t, b)
	topic := create(t, c, 2)
	added := sync.OnceFunc(func() { grow(t, b, topic, 3) })
	g, err := kafka.JoinWith(c, "growing-"+topic, []string{topic}, added)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	a := next(t, g)
	if got := a.Owned[topic]; !slices.Equal(got, []int32{0, 1}) {
		t.Fatalf("at first it owns %v", got)
	}
	await(t, "the assignment to end that lacks a partition", a.Lost)
	if got := next(t, g).Owned[topic]; !slices.Equal(got, []int32{0, 1, 2}) {
		t.Fatalf("then it owns %v", got)
	}
}

// testGroupUnreachable: a group whose brokers are gone says so, in bounded time.
func testGroupUnreachable(t *testing.T, _ *broker) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	g, err := kafka.JoinUnchecked(kafka.Config{Brokers: []string{"127.0.0.1:1"}, Clock: clock}, "nobody", []string{"nothing"})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.Next(ctx); !errors.Is(err, featurestore.ErrUnavailable) {
		t.Errorf("next: %v", err)
	}
}

func join(t *testing.T, c *kafka.Client, topic string) logrecord.Group {
	t.Helper()
	g, err := c.Join("ingesters-of-"+topic, []string{topic})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// next waits for the next assignment; errors that pass are waited out.
func next(t *testing.T, g logrecord.Group) *logrecord.Assignment {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		a, err := g.Next(ctx)
		switch {
		case err == nil:
			return a
		case !errors.Is(err, featurestore.ErrUnavailable):
			t.Errorf("next assignment: %v", err)
			return &logrecord.Assignment{}
		}
	}
}

func await(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("waited a minute for %s", what)
	}
}

func grow(t *testing.T, b *broker, topic string, partitions int32) {
	t.Helper()
	client := kafkago.Client{Addr: kafkago.TCP(b.addr), Transport: &kafkago.Transport{}}
	res, err := client.CreatePartitions(t.Context(), &kafkago.CreatePartitionsRequest{
		Topics: []kafkago.TopicPartitionsConfig{{Name: topic, Count: partitions}},
	})
	if err == nil {
		err = res.Errors[topic]
	}
	if err != nil {
		t.Fatal(err)
	}
}
