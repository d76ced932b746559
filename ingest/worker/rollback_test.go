package worker

import (
	"bytes"
	"iter"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/deadletter"
	"github.com/freshet/freshet/ingest/logrecord"
)

// spoiled are records of which each third has a value that is not of its type.
func spoiled(field string, from, n int) []logrecord.Record {
	records := rich(from, n)
	for i := range records {
		if i%3 == 0 {
			records[i].Value = []byte(strings.Replace(string(records[i].Value), `"`+field+`":`, `"`+field+`": "none", "was":`, 1))
		}
	}
	return records
}

// refusing brings a plant to where a newer definition has refused records that the one
// before has counted, and answers.
func refusing(t *testing.T, change func(*Config)) *plant {
	t.Helper()
	p := newRich(t, change)
	second := p.apply(moreRead()).StreamView("activity")
	p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
	p.produce("clicks", 0, spoiled("extra", 80, 20)...)
	p.right(second, 2)
	p.right(load(t, firstRead).StreamView("activity"), 1)
	ok(t, p.worker.Flush())
	letters := 0
	for _, err := range p.refused("clicks") {
		ok(t, err)
		letters++
	}
	if letters != 7 {
		t.Fatalf("%d dead letters", letters)
	}
	return p
}

// refused are the dead letters of a source.
func (p *plant) refused(source string) iter.Seq2[deadletter.DeadLetter, error] {
	return deadletter.Read(p.path("deadletters"), deadletter.Filter{Source: source})
}

// resend sends the records of dead letters again, as `freshet dlq replay` does: they
// count in their new places only.
func (p *plant) resend() {
	p.t.Helper()
	var again []logrecord.Record
	for l, err := range p.refused("clicks") {
		ok(p.t, err)
		again = append(again, l.Record())
		p.sent[partition0("clicks", l.Partition)][l.Offset].Value = nil
	}
	p.produce("clicks", 0, again...)
}

// Who goes back by an apply to a definition that reads what the newer one has refused
// has all of these records counted: the generation that has counted them is found right,
// with the dead letters, and no audit takes them from it.
func TestAppliedBackCountsWhatWasRefused(t *testing.T) {
	p := refusing(t, nil)
	first := p.apply(firstRead).StreamView("activity")
	p.eventually("the first is live again", func() bool { return p.live("activity") == 1 })
	p.right(first, 1)
	p.produce("clicks", 0, rich(100, 20)...)
	p.right(first, 1)
	ok(t, p.worker.Flush())
	p.audited()
	p.right(first, 1)
	p.wantNoFindings(p.worker)
	if s := p.worker.AuditStatus(); s.Trouble != "" {
		t.Error(s.Trouble)
	}
}

// So it is where somebody has switched back first, and applies what shall stay.
func TestSwitchedAndAppliedBackIsNotMended(t *testing.T) {
	p := refusing(t, nil)
	ok(t, p.registry.Switch(t.Context(), []registry.Choice{{View: "activity", Number: 1}}, "a person", wallClock()))
	first := p.apply(firstRead).StreamView("activity")
	p.eventually("the newest is read", func() bool { return p.worker.Revision() == 3 })
	p.audited()
	p.right(first, 1)
	p.wantNoFindings(p.worker)
}

// A generation that is gone back to and is wrong never answers, whatever history lacks:
// it is broken, and says what to do; a backfill then leads on.
func TestAppliedBackAndWrongIsBroken(t *testing.T) {
	c := &corrupting{how: func(w *online.Write) bool { w.Blob = append(bytes.Clone(w.Blob), 0); return true }}
	p := refusing(t, func(config *Config) { c.Store, config.Online = config.Online, c })
	c.number.Store(1)
	p.produce("clicks", 0, rich(100, 20)...)
	p.settled(load(t, firstRead).StreamView("activity"), 1)
	first := p.apply(firstRead).StreamView("activity")
	p.eventually("it is broken", func() bool { return p.registered("activity", 1).State == registry.Broken })
	if c.done.Load() == 0 {
		t.Fatal("nothing was corrupted")
	}
	if p.live("activity") != 2 {
		t.Errorf("%d answers", p.live("activity"))
	}
	reason := p.registered("activity", 1).Reason
	for _, words := range []string{"compared entities", "revision 2", `source "clicks"`, "freshet dlq replay --source clicks"} {
		if !strings.Contains(reason, words) {
			t.Errorf("the reason does not say %q: %s", words, reason)
		}
	}
	// What the reason says: the letters are sent again, and then it is built anew.
	p.resend()
	p.order(firstRead)
	p.eventually("the third is live", func() bool { return p.live("activity") == 3 })
	p.right(first, 3)
	p.audited()
	p.wantNoFindings(p.worker)
}

// A definition that takes what the older one refuses leaves rows at rest that the older
// generation has not counted: what it says is that history counts them, and a backfill
// goes by history.
func TestAppliedBackToWhatRefusesIsBroken(t *testing.T) {
	p := newRich(t, nil)
	p.apply(lessRead())
	p.eventually("the second is live", func() bool { return p.live("activity") == 2 })
	p.produce("clicks", 0, spoiled("v", 80, 20)...)
	first := load(t, firstRead).StreamView("activity")
	p.right(first, 1)
	ok(t, p.worker.Flush())
	p.apply(firstRead)
	p.eventually("it is broken", func() bool { return p.registered("activity", 1).State == registry.Broken })
	reason := p.registered("activity", 1).Reason
	if !strings.Contains(reason, "revision 2") || !strings.Contains(reason, `source "clicks"`) || strings.Contains(reason, "dlq") {
		t.Errorf("the reason is %q", reason)
	}
	p.order(firstRead)
	p.eventually("the third is live", func() bool { return p.live("activity") == 3 })
	p.audited()
	p.wantNoFindings(p.worker)
}
