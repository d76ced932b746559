package canary

import (
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
)

func rowOf(s featurestore.Status, n, first, newest, total int64) (out [cells]featurestore.Cell) {
	for i, v := range []int64{n, first, newest, total} {
		out[i] = featurestore.Cell{Status: s, Value: featurestore.Int64Value(v)}
	}
	return out
}

func TestJudgeRow(t *testing.T) {
	for _, c := range []struct {
		name                  string
		status                featurestore.Status
		n, first, newest, sum int64
		due                   int64
		want                  Kind
	}{
		{"all there", featurestore.Present, 4, 1, 4, 10, 4, ""},
		{"more than is due: the lane goes on", featurestore.Present, 4, 1, 4, 10, 3, ""},
		{"nothing is due yet", featurestore.NotFound, 0, 0, 0, 0, 0, ""},
		{"the lane has not applied the newest", featurestore.Present, 3, 1, 3, 6, 3, ""},
		{"the newest is lost", featurestore.Present, 3, 1, 3, 6, 4, Loss},
		{"one between is lost", featurestore.Present, 3, 1, 4, 8, 4, Loss},
		{"the oldest is lost", featurestore.Present, 3, 2, 4, 9, 4, Loss},
		{"all is lost", featurestore.NotFound, 0, 0, 0, 0, 4, Loss},
		{"all is lost, and the entity stands", featurestore.Empty, 0, 0, 0, 0, 4, Loss},
		{"one counts twice", featurestore.Present, 5, 1, 4, 14, 4, Double},
		{"one counts twice, another is missing", featurestore.Present, 4, 1, 4, 9, 4, Double},
		{"lookups say that they do not know", featurestore.Rebuilding, 0, 0, 0, 0, 4, ""},
		{"lookups say that it is damaged", featurestore.StatusError, 0, 0, 0, 0, 4, ""},
	} {
		row := rowOf(c.status, c.n, c.first, c.newest, c.sum)
		if got, text := judgeRow(&row, c.due); got != c.want || (got == "") != (text == "") {
			t.Errorf("%s: %q (%s), want %q", c.name, got, text, c.want)
		}
	}
}

// A series has one key in each lane, and the same ones for whoever knows its name.
func TestSeriesReachesEveryLane(t *testing.T) {
	s, err := newSeries(3, 1_700_000_000_000_000)
	ok(t, err)
	for lane, probe := range s.probes {
		k, err := codec.AppendKey(nil, keyTypes, s.key(probe))
		ok(t, err)
		if got := codec.Lane(k, probes); int(got) != lane {
			t.Errorf("the probe of lane %d is in lane %d", lane, got)
		}
	}
	records := s.records(7, 1_700_000_001_234_567)
	last := records[probes-1]
	last.Offset = 1000
	again, err := resumed(3, &last)
	ok(t, err)
	if again == nil || again.probes != s.probes || again.id != s.id || again.seq() != 7 || again.rounds[0].base != 1001-probes || again.last != 1_700_000_001_234_000 {
		t.Errorf("from its last record it is %+v", again)
	}
	for _, lane := range []int{0, 1, probes - 2} {
		if again, err := resumed(3, &records[lane]); err != nil || again != nil {
			t.Errorf("record %d of a round is taken for its end (%v)", lane, err)
		}
	}
	if again, err := resumed(2, &last); err != nil || again != nil {
		t.Errorf("the record of another partition is taken for this one's (%v)", err)
	}
}

// What is due follows from how far the lane is.
func TestDue(t *testing.T) {
	s := &series{}
	if s.due(0, 1000) != 0 || s.seq() != 0 {
		t.Error("a series without a round has something due")
	}
	for i := range int64(3) {
		s.wrote(round{i + 1, 100 + 200*i}, 0)
	}
	for through, want := range map[int64]int64{-1: 0, 102: 0, 302: 0, 303: 2, 502: 2, 503: 3, 999: 3} {
		if got := s.due(3, through); got != want {
			t.Errorf("through %d: %d, want %d", through, got, want)
		}
	}
}
