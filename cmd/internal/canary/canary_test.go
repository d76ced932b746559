package canary

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/logrecord"
)

// A canary that nothing disturbs writes every number once, in every lane, sees each
// of them, and finds nothing.
func TestNothingIsWrong(t *testing.T) {
	w := inProcess(t)
	delays := make(chan time.Duration, 1000)
	c := w.canary(func(c *Config) {
		c.Served = func(d time.Duration) {
			select {
			case delays <- d:
			default:
			}
		}
	})
	goesOn(t, c)
	s := goesOn(t, c)
	wantNoFindings(t, s)
	if s.Topic != "freshet.shop.canary" || len(s.Partitions) != 2 || s.Delay <= 0 || s.Foreign > 0 {
		t.Errorf("%+v", s)
	}
	for range s.Served / probes {
		if d := <-delays; d <= 0 || d > patience {
			t.Errorf("a round was served after %s", d)
		}
	}
	lanes, err := w.store.Lanes(t.Context(), c.generation, probes)
	ok(t, err)
	for i := range lanes {
		if lanes[i].Meta.State != online.StateLive || lanes[i].Watermarks[online.Partition{Source: Source, Generation: 1}].Offset < probes {
			t.Errorf("lane %d: %+v", i, lanes[i])
		}
	}
	seqs := map[int64]int64{}
	for offset := int64(0); offset < 2*probes; offset++ {
		b, err := w.log.Peek(t.Context(), s.Topic, 0, offset)
		ok(t, err)
		at, err := resumed(0, &b.Records[0])
		ok(t, err)
		if last := offset%probes == probes-1; (at != nil) != last {
			t.Errorf("offset %d is taken for the end of a round: %t", offset, at != nil)
		} else if last {
			seqs[at.seq()]++
		}
		b.Release()
	}
	if seqs[1] != 1 || seqs[2] != 1 {
		t.Errorf("the first two rounds have the numbers %v", seqs)
	}
}

// A store that has lost an entity, while its lane stands, is found out; the
// finding is counted once, and told with its position.
func TestLossIsFound(t *testing.T) {
	w := inProcess(t)
	store := &forgetful{Store: w.store}
	c := w.canary(func(c *Config) { c.Online = store })
	goesOn(t, c)
	store.forget(string(key(t, c, 1, 5).Key))
	s := until(t, c, "the loss is found", func(s *Status) bool { return s.State == StateWrong })
	if s.Losses != 1 || s.Doubles != 0 || s.Wrong != 1 || s.Next == "" {
		t.Errorf("%+v", s)
	}
	for _, words := range []string{"loss: partition 1, lane 5", "NOT_FOUND", "at offset"} {
		if !strings.Contains(s.Reason, words) {
			t.Errorf("%q does not say %q", s.Reason, words)
		}
	}
	number := func(s *Status) int64 {
		for _, p := range s.Partitions {
			if p.Partition == 1 {
				return p.Number
			}
		}
		return 0
	}
	before := number(&s)
	until(t, c, "the next rounds are written all the same", func(s *Status) bool { return number(s) > before+1 })
	store.forget("")
	goesOn(t, c)
	if s := c.Status(); s.Losses != 1 || s.Wrong != 0 || w.told.count("a record is lost") != 1 || w.told.count("right again") != 1 {
		t.Errorf("after it is mended: %+v", s)
	}
}

// A record that is applied twice is found out.
func TestDoubleIsFound(t *testing.T) {
	w := inProcess(t)
	c := w.canary(nil)
	goesOn(t, c)
	w.takeBack(c, key(t, c, 0, 9), 0)
	s := until(t, c, "the double is found", func(s *Status) bool { return s.State == StateWrong })
	if s.Doubles != 1 || s.Losses != 0 || !strings.Contains(s.Reason, "double: partition 0, lane 9") {
		t.Errorf("%+v", s)
	}
	if w.told.count("a record counts twice") != 1 {
		t.Error("it is not told once")
	}
}

// Two canaries share the partitions of the topic; one goes, the other takes all and
// looks at what the first has left.
func TestTwoShare(t *testing.T) {
	w := inProcess(t)
	group := func(c *Config) { c.Group = w.log.(logrecord.Joiner) }
	first := w.canary(group)
	goesOn(t, first)
	second := w.canary(group)
	shared := func(s *Status) bool { return len(s.Partitions) == 1 && s.Served > 0 }
	until(t, second, "the second has one", shared)
	until(t, first, "the first has the other", shared)
	wantNoFindings(t, goesOn(t, second))
	wantNoFindings(t, first.Status())
	first.Stop()
	until(t, second, "the second has both", func(s *Status) bool { return len(s.Partitions) == 2 })
	wantNoFindings(t, goesOn(t, second))
	third := w.canary(group)
	fourth := w.canary(group)
	idle := func(c *Canary) bool { return c.Status().State == StateIdle }
	until(t, third, "one has none", func(*Status) bool { return idle(second) || idle(third) || idle(fourth) })
}

// A restart goes on with a look at the series before; a store that was emptied is
// filled again from the topic.
func TestRestartAndEmptyStore(t *testing.T) {
	w := inProcess(t)
	c := w.canary(nil)
	goesOn(t, c)
	id := key(t, c, 0, 3)
	for c.Stop(); !w.applied(c, 0); c.Stop() { // else the worker itself would be told that the entity is gone
		c = w.canary(nil)
		goesOn(t, c)
		id = key(t, c, 0, 3)
	}
	store := &forgetful{Store: w.store}
	store.forget(string(id.Key))
	c = w.canary(func(c *Config) { c.Online = store })
	until(t, c, "what was lost before the start is found", func(s *Status) bool { return s.Losses == 1 })
	store.forget("")
	ok(t, w.store.Drop(t.Context(), c.generation, probes))
	goesOn(t, c)
	if s := goesOn(t, c); s.Losses != 1 || s.Doubles != 0 {
		t.Errorf("%+v", s)
	}
	lanes, err := w.store.Lanes(t.Context(), c.generation, probes)
	ok(t, err)
	if online.Worst(lanes) != online.StateLive {
		t.Error("the lanes are not live again")
	}
}

// Records of others in the topic are told, and disturb nothing.
func TestForeignRecords(t *testing.T) {
	w := inProcess(t)
	c := w.canary(nil)
	goesOn(t, c)
	for number := range int32(2) {
		_, err := w.log.Produce(t.Context(), "freshet.shop.canary", number, []logrecord.Record{{LogTime: featurestore.LogTime(wall()), Value: []byte("who am I?")}})
		ok(t, err)
	}
	until(t, c, "they are counted", func(s *Status) bool { return s.Foreign == 2 })
	if w.told.count("somebody else writes") != 1 {
		t.Error("it is not told once")
	}
	wantNoFindings(t, goesOn(t, c))
	c.Stop() // one that is started behind such a record has no series before
	wantNoFindings(t, goesOn(t, w.canary(nil)))
}

// forbidden is a log on which this user may do nothing with some topics.
type forbidden struct {
	logrecord.Log
	create, write bool
}

func (f forbidden) CreateTopic(ctx context.Context, spec logrecord.TopicSpec) error {
	if f.create {
		return featurestore.Invalidf("kafka: create topic %q: [29] Topic Authorization Failed", spec.Name)
	}
	return f.Log.CreateTopic(ctx, spec)
}

func (f forbidden) Produce(ctx context.Context, topic string, partition int32, records []logrecord.Record) (int64, error) {
	if f.write {
		return -1, featurestore.Invalidf("kafka: produce to %s/%d: [29] Topic Authorization Failed", topic, partition)
	}
	return f.Log.Produce(ctx, topic, partition, records)
}

// A canary that may not create or write its topic says so once, with the way on.
func TestForbidden(t *testing.T) {
	for _, f := range []forbidden{{create: true}, {write: true}} {
		t.Run(fmt.Sprintf("create=%t", f.create), func(t *testing.T) {
			w := inProcess(t)
			f.Log = w.log
			c := w.canary(func(c *Config) { c.Log = f })
			s := until(t, c, "it stands still", func(s *Status) bool { return s.State == StateStopped })
			for _, words := range []string{"kafka-topics.sh --create --topic freshet.shop.canary --partitions 2", "ingest.canary: {every: 0s}", "group freshet.shop.canary"} {
				if !strings.Contains(s.Next, words) {
					t.Errorf("%q does not say %q", s.Next, words)
				}
			}
			if !strings.Contains(s.Reason, "Authorization") || w.told.count("stands still") != 1 {
				t.Errorf("%+v", s)
			}
			err := c.refused("again", featurestore.Invalidf("no"))
			if wait := c.stands(err); wait != refusedAfter {
				t.Errorf("it asks again after %s", wait)
			}
			if c.stands(err); w.told.count("stands still") != 2 {
				t.Error("the same reason is told again")
			}
		})
	}
}
