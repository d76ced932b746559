package canary

import (
	"crypto/tls"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
	"github.com/freshet/freshet/ingest/logrecord"
)

// TestRealParts runs canaries on Apache Kafka and redis-server: a key that somebody
// deletes is a loss, a lane that is moved back with its entity a double; a store
// that is emptied, killed or has lost nothing is no finding; a topic that is made
// anew is one, and is gone on with.
func TestRealParts(t *testing.T) {
	broker := kafkatest.StartForTest(t)
	server, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	ok(t, err)
	t.Cleanup(func() { ok(t, server.Stop()) })
	store, err := redis.Open(redis.Config{Addrs: []string{server.Addr()}})
	ok(t, err)
	t.Cleanup(func() { ok(t, store.Close()) })
	w := on(t, broker.Addr(), store)
	start := func() *Canary {
		return w.canary(func(c *Config) {
			c.Group = w.log.(logrecord.Joiner)
			c.Every = 500 * time.Millisecond
		})
	}
	c := start()
	wantNoFindings(t, goesOn(t, c))

	id := key(t, c, 1, 17)
	name := string(id.AppendEntityKey(nil, id.Key))
	until(t, c, "the deleted key is found", func(s *Status) bool {
		if s.Losses == 0 {
			ok(t, server.Do(t.Context(), "DEL", name)) // also where it was just written again
		}
		return s.Losses > 0
	})
	s := goesOn(t, c) // its next record has made it anew
	if s.Doubles != 0 || s.Losses != 1 {
		t.Errorf("after the deletion: %+v", s)
	}

	w.takeBack(c, key(t, c, 0, 40), 0)
	s = until(t, c, "the double is found", func(s *Status) bool { return s.Doubles > 0 })
	if s.Doubles != 1 || s.Losses != 1 || s.State != StateWrong {
		t.Errorf("after the double: %+v", s)
	}
	c.Stop()

	ok(t, server.Flush(t.Context()))
	c = start()
	wantNoFindings(t, goesOn(t, c))
	ok(t, server.Flush(t.Context()))
	goesOn(t, c)
	ok(t, server.Kill())
	until(t, c, "it says that the store is away", func(s *Status) bool { return s.State == StateStopped || s.Waiting > 0 })
	ok(t, server.Restart(t.Context()))
	wantNoFindings(t, goesOn(t, c))

	second := start() // both find the topic gone, and both begin anew
	until(t, second, "they share", func(s *Status) bool { return s.State == StateRunning && len(s.Partitions) == 1 })
	ok(t, kafkatest.DeleteTopic(t.Context(), broker.Addr(), c.c.Topic))
	until(t, c, "the lost topic is found", func(s *Status) bool { return s.Losses > 0 || second.Status().Losses > 0 })
	for _, c := range []*Canary{c, second} {
		if s := goesOn(t, c); s.Doubles != 0 || s.Wrong != 0 {
			t.Errorf("after the topic was made anew: %+v", s)
		}
	}
}

// TestTopicDeletedWhileNobodyLooks: before the next round the group has taken the
// partitions back.
func TestTopicDeletedWhileNobodyLooks(t *testing.T) {
	broker := kafkatest.StartForTest(t)
	w := on(t, broker.Addr(), inProcess(t).store)
	c := w.canary(func(c *Config) { c.Group, c.Every = w.log.(logrecord.Joiner), 6*time.Second })
	goesOn(t, c)
	ok(t, kafkatest.DeleteTopic(t.Context(), broker.Addr(), c.c.Topic))
	until(t, c, "the lost topic is found", func(s *Status) bool { return s.Losses > 0 })
	goesOn(t, c)
}

// TestRights gives a user of Apache Kafka one right after the other: without those
// that it needs the canary stands still and says what is missing; with them it runs,
// on a topic that it may not make.
func TestRights(t *testing.T) {
	pem, roots := kafkatest.Certificate(t)
	broker := kafkatest.StartSecureForTest(t, &kafkatest.Secure{PEM: pem, User: "ingester", Password: "s3cret", Restricted: true})
	admin := on(t, broker.Addr(), inProcess(t).store)
	client, err := kafka.Open(t.Context(), kafka.Config{
		Brokers: []string{broker.SecureAddr()}, Clock: wall, MaxWait: 20 * time.Millisecond, TLS: &tls.Config{RootCAs: roots},
		SASL: kafka.SASL{Mechanism: "SCRAM-SHA-512", User: "ingester", Password: "s3cret"},
	})
	ok(t, err)
	t.Cleanup(func() { ok(t, client.Close()) })
	topic, group := TopicOf("shop"), GroupOf("shop")
	run := func() (*Canary, *lines) {
		told := &lines{t: t}
		return admin.canary(func(c *Config) {
			c.Log, c.Group, c.Logger = client, client, slog.New(slog.NewTextHandler(told, nil))
		}), told
	}
	stands := func(words string) {
		t.Helper()
		c, told := run()
		s := until(t, c, "it stands still", func(s *Status) bool { return s.State == StateStopped })
		c.Stop()
		if !strings.Contains(s.Reason, words) || s.Next == "" || told.count("stands still") != 1 {
			t.Errorf("%q does not say %q, with the way on: %q", s.Reason, words, s.Next)
		}
	}
	allow := func(rights ...kafkatest.Right) {
		ok(t, kafkatest.Allow(t.Context(), broker.Addr(), "ingester", rights...))
	}
	stands("neither found nor made")
	ok(t, admin.log.CreateTopic(t.Context(), logrecord.TopicSpec{Name: topic, Partitions: 2, Retention: retention, Roll: roll}))
	stands("neither found nor made")
	allow(kafkatest.Right{Resource: kafkatest.TopicResource, Name: topic, Operation: kafkatest.Describe})
	stands("Group Authorization")
	allow(kafkatest.Right{Resource: kafkatest.GroupResource, Name: group, Operation: kafkatest.Read}, kafkatest.Right{Resource: kafkatest.TopicResource, Name: topic, Operation: kafkatest.Read})
	stands("the canary's topic cannot be written")
	allow(kafkatest.Right{Resource: kafkatest.TopicResource, Name: topic, Operation: kafkatest.Write})
	c, _ := run()
	wantNoFindings(t, goesOn(t, c))
}

// TestExpiredRecords lets records expire that no ingester has read: the canary
// passes them by, where a view of users would be in a GAP.
func TestExpiredRecords(t *testing.T) {
	broker := kafkatest.StartForTest(t)
	w := inProcess(t)
	w = on(t, broker.Addr(), w.store)
	c := w.canary(nil)
	goesOn(t, c)
	c.Stop()
	long, err := newSeries(0, int64(wall())-int64(watchedFor/time.Microsecond)-1)
	ok(t, err)
	base, err := w.log.Produce(t.Context(), c.c.Topic, 0, long.records(1, wall()-3*featurestore.Instant(featurestore.Hour)))
	ok(t, err)
	_, err = w.log.Produce(t.Context(), c.c.Topic, 0, long.records(2, wall()))
	ok(t, err)
	ok(t, kafkatest.DeleteRecords(t.Context(), broker.Addr(), c.c.Topic, 0, base+probes))
	wantNoFindings(t, goesOn(t, w.canary(nil)))
}
