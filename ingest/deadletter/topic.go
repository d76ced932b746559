package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// The headers of a record in a topic of dead letters: those of Kafka Connect, as
// text, so that what reads its dead letters reads ours, and our own. The record's
// own headers stand before them, its key, value and time are the original's.
const (
	HeaderTopic     = "__connect.errors.topic"
	HeaderPartition = "__connect.errors.partition"
	HeaderOffset    = "__connect.errors.offset"
	HeaderConnector = "__connect.errors.connector.name" // freshet-<project>
	HeaderStage     = "__connect.errors.stage"          // VALUE_CONVERTER
	HeaderClass     = "__connect.errors.exception.class.name"
	HeaderMessage   = "__connect.errors.exception.message"

	HeaderCode       = "freshet.errors.code" // a decode.Code
	HeaderSource     = "freshet.errors.source"
	HeaderGeneration = "freshet.errors.generation"
	// HeaderCut says that the value was too large to be written beside these
	// headers: its length. The folder has it.
	HeaderCut = "freshet.errors.value.bytes"
)

// Producer is what a topic of dead letters needs of a log.
type Producer interface {
	CreateTopic(ctx context.Context, spec logrecord.TopicSpec) error
	Produce(ctx context.Context, topic string, partition int32, records []logrecord.Record) (int64, error)
}

// Topic copies dead letters to topics, <topic>.<group>.dlq for each source's
// topic. After an error some of the letters may be there; the headers name each
// record's position, by which one that came twice is known. It is safe for
// concurrent use.
type Topic struct {
	log     Producer
	group   string
	topicOf func(source string) string
	timeout time.Duration
}

// NewTopic copies the letters of a group. topicOf gives a source's topic, "" for
// one that has none any more.
func NewTopic(log Producer, group string, topicOf func(source string) string) *Topic {
	return &Topic{log: log, group: group, topicOf: topicOf, timeout: 30 * time.Second}
}

// Name is the topic of the dead letters of a topic.
func (t *Topic) Name(topic string) string { return topic + "." + t.group + ".dlq" }

// Append writes the letters and returns when the log has acknowledged them.
func (t *Topic) Append(letters ...DeadLetter) error {
	ctx, cancel := context.WithTimeout(context.Background(), t.timeout)
	defer cancel()
	byTopic := map[string][]logrecord.Record{}
	var order []string
	for i := range letters {
		topic := t.topicOf(letters[i].Source)
		if topic == "" {
			continue
		}
		if byTopic[topic] == nil {
			order = append(order, topic)
		}
		byTopic[topic] = append(byTopic[topic], t.record(&letters[i], topic))
	}
	for _, topic := range order {
		if err := t.produce(ctx, t.Name(topic), byTopic[topic]); err != nil {
			return fmt.Errorf("dead letters of topic %q: %w", topic, err)
		}
	}
	return nil
}

// record is the letter as Kafka Connect would write it.
func (t *Topic) record(l *DeadLetter, topic string) logrecord.Record {
	h := append(logrecord.Headers(nil), l.Headers...)
	for _, x := range [...][2]string{
		{HeaderTopic, topic}, {HeaderPartition, strconv.Itoa(int(l.Partition))}, {HeaderOffset, strconv.FormatInt(l.Offset, 10)},
		{HeaderConnector, "freshet-" + t.group}, {HeaderStage, "VALUE_CONVERTER"}, {HeaderClass, "freshet." + l.Code}, {HeaderMessage, l.Message},
		{HeaderCode, l.Code}, {HeaderSource, l.Source}, {HeaderGeneration, strconv.FormatUint(uint64(l.Generation), 10)},
	} {
		h = h.Append(x[0], []byte(x[1]))
	}
	return logrecord.Record{LogTime: l.LogTime, Key: l.Key, Value: l.Value, Headers: h}
}

func (t *Topic) produce(ctx context.Context, topic string, records []logrecord.Record) error {
	_, err := t.log.Produce(ctx, topic, 0, records)
	if errors.Is(err, featurestore.ErrNotFound) {
		if err = t.log.CreateTopic(ctx, logrecord.TopicSpec{Name: topic, Partitions: 1}); err == nil {
			_, err = t.log.Produce(ctx, topic, 0, records)
		}
	}
	if !errors.Is(err, featurestore.ErrInvalid) || len(records) == 0 {
		return err
	}
	// One of them is too large beside its headers: one by one, without that value.
	for i := range records {
		r := &records[i]
		if _, err := t.log.Produce(ctx, topic, 0, records[i:i+1]); err == nil {
			continue
		} else if !errors.Is(err, featurestore.ErrInvalid) {
			return err
		}
		r.Headers = r.Headers.Append(HeaderCut, []byte(strconv.Itoa(len(r.Value))))
		r.Value = nil
		if _, err := t.log.Produce(ctx, topic, 0, records[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// Both keeps letters in a folder, which knows each position once, and copies
// those that are new to a topic.
type Both struct {
	Folder *Folder
	Topic  *Topic
}

// Append copies what is new before the folder takes it: after a crash in between
// the topic has a letter twice, and none is missing.
func (b *Both) Append(letters ...DeadLetter) error {
	fresh, err := b.Folder.missing(letters)
	if err != nil || len(fresh) == 0 {
		return err
	}
	if err := b.Topic.Append(fresh...); err != nil {
		return err
	}
	return b.Folder.Append(fresh...)
}

// missing gives the letters whose positions the folder does not hold.
func (f *Folder) missing(letters []DeadLetter) ([]DeadLetter, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fresh(letters)
}
