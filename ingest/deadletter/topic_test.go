package deadletter

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// topics is a log in memory that takes records up to a size.
type topics struct {
	records map[string][]logrecord.Record
	most    int
	fails   error
}

func (p *topics) CreateTopic(_ context.Context, spec logrecord.TopicSpec) error {
	p.records[spec.Name] = []logrecord.Record{}
	return nil
}

func (p *topics) Produce(_ context.Context, topic string, _ int32, records []logrecord.Record) (int64, error) {
	if p.fails != nil {
		return 0, p.fails
	}
	if p.records[topic] == nil {
		return 0, featurestore.NotFoundf("no topic %s", topic)
	}
	for _, r := range records {
		if len(r.Value) > p.most {
			return 0, featurestore.Invalidf("too large")
		}
	}
	p.records[topic] = append(p.records[topic], records...)
	return 0, nil
}

func TestTopic(t *testing.T) {
	log := &topics{records: map[string][]logrecord.Record{}, most: 10}
	both := &Both{Folder: openFolder(t, t.TempDir(), Options{NoSync: true}), Topic: NewTopic(log, "shop", func(source string) string {
		if source == "s" {
			return "orders"
		}
		return ""
	})}
	large, other := letter(2), letter(3)
	large.Value = make([]byte, 11)
	other.Source = "gone"
	for range 2 { // what the folder has is not copied again
		if err := both.Append(letter(1), large, other); err != nil {
			t.Fatal(err)
		}
	}
	got := log.records["orders.shop.dlq"]
	if len(got) != 2 || both.Folder.Count() != 3 {
		t.Fatalf("%d records, %d letters", len(got), both.Folder.Count())
	}
	want := letter(1)
	if !slices.Equal(got[0].Value, want.Value) || got[0].Key == nil || got[0].LogTime != want.LogTime {
		t.Errorf("%+v", got[0])
	}
	for key, value := range map[string]string{
		"h": "", HeaderTopic: "orders", HeaderPartition: "2", HeaderOffset: "1", HeaderMessage: want.Message, HeaderCode: "DECODE_JSON", HeaderGeneration: "1",
	} {
		if v, found := got[0].Headers.Get(key); !found || string(v) != value {
			t.Errorf("header %s: %q, want %q", key, v, value)
		}
	}
	if v, _ := got[1].Headers.Get(HeaderCut); got[1].Value != nil || string(v) != "11" {
		t.Errorf("a value that is too large: %+v", got[1])
	}
	log.fails = featurestore.Unavailablef("down")
	if err := both.Append(letter(9)); !errors.Is(err, featurestore.ErrUnavailable) || both.Folder.Count() != 3 {
		t.Errorf("%v, %d letters: one that was not copied is not passed", err, both.Folder.Count())
	}
}

func TestResent(t *testing.T) {
	dir := t.TempDir()
	r, err := OpenResent(dir)
	if err != nil {
		t.Fatal(err)
	}
	one, two := letter(1), letter(2)
	if err := errors.Join(r.Add(one), r.Close()); err != nil {
		t.Fatal(err)
	}
	if r, err = OpenResent(dir); err != nil || !r.Has(&one) || r.Has(&two) || one.Position() != "s/1/2/1" {
		t.Errorf("%v, %v, %v", err, r.Has(&one), r.Has(&two))
	}
	if _, err := OpenResent(dir); err == nil {
		t.Error("two replays hold one list")
	}
	// A crash in the middle of a line: neither the half nor what comes behind it is mistaken.
	forty, four := letter(40), letter(4)
	if _, err := r.f.WriteString("s/1/2/4"); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if r, err = OpenResent(dir); err != nil || r.Has(&four) || !r.Has(&one) {
			t.Fatalf("%v, %v", err, r)
		}
		if err := errors.Join(r.Add(forty), r.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if r, err = OpenResent(dir); err != nil || !r.Has(&forty) {
		t.Errorf("%v, %v", err, r)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	row := letter(3)
	row.Headers = logrecord.AppendReplay(nil, logrecord.Replay{})
	if row.HasRecord() || !one.HasRecord() {
		t.Error("a row of a file is no record")
	}
}
