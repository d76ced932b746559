package canary

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/ingest/logrecord"
)

// probes are how many keys a series has: one in each lane, so that every part of
// the online store takes part in every round. All ingesters of a project must have the
// same number: it never changes, whatever theirs have.
const probes = 64

// A series is written for seriesFor, and looked at until the next one has ended
// too. watchedFor bounds that where the process stood still: the view's window
// still holds all of a series that old.
const (
	seriesFor  = time.Hour
	watchedFor = 3 * time.Hour
)

// series is a run of numbered records in one partition, from one writer. A round
// writes one record a probe, all with the same number, in one batch: their offsets
// follow each other.
type series struct {
	partition int32
	id        int64 // when it began, in microseconds: its age, and its name
	probes    [probes]int64
	rounds    []round // the newest that were acknowledged, at most two, ascending
	last      featurestore.Instant
}

// round is one round that was written.
type round struct {
	seq  int64
	base int64 // the offset of its first record
}

// keyTypes are those of the entity.
var keyTypes = []featurestore.Type{featurestore.Int64, featurestore.Int64, featurestore.Int64}

// newSeries chooses the probes: in each lane the key with the least number. Who
// knows a series' id knows its probes.
func newSeries(partition int32, id int64) (*series, error) {
	s := &series{partition: partition, id: id}
	var found [probes]bool
	var key []byte
	left := probes
	for n := int64(0); left > 0; n++ {
		var err error
		if key, err = codec.AppendKey(key[:0], keyTypes, s.key(n)); err != nil {
			return nil, err
		}
		if lane := codec.Lane(key, probes); !found[lane] {
			found[lane], s.probes[lane] = true, n
			left--
		}
	}
	return s, nil
}

func (s *series) key(probe int64) []featurestore.Value {
	return []featurestore.Value{featurestore.Int64Value(int64(s.partition)), featurestore.Int64Value(s.id), featurestore.Int64Value(probe)}
}

// seq is the number of the newest round; 0 before the first.
func (s *series) seq() int64 {
	if len(s.rounds) == 0 {
		return 0
	}
	return s.rounds[len(s.rounds)-1].seq
}

// wrote notes a round that was acknowledged.
func (s *series) wrote(r round, at featurestore.Instant) {
	s.rounds = append(s.rounds, r)
	if len(s.rounds) > 2 {
		s.rounds = s.rounds[1:]
	}
	s.last = at
}

// end is the offset after the newest record; 0 before the first.
func (s *series) end() int64 {
	if len(s.rounds) == 0 {
		return 0
	}
	return s.rounds[len(s.rounds)-1].base + probes
}

// due is the number up to which a probe must have every record, where its lane has
// applied the partition through an offset; 0 where that is not known.
func (s *series) due(lane int, through int64) int64 {
	for i := len(s.rounds) - 1; i >= 0; i-- {
		if s.rounds[i].base+int64(lane) <= through {
			return s.rounds[i].seq
		}
	}
	return 0
}

// age is how long ago the series began.
func (s *series) age(now featurestore.Instant) time.Duration {
	return featurestore.Duration(now - featurestore.Instant(s.id)).Std()
}

// record is what the canary writes.
type record struct {
	At     int64 `json:"at"` // milliseconds
	Part   int64 `json:"part"`
	Series int64 `json:"series"`
	Probe  int64 `json:"probe"`
	Seq    int64 `json:"seq"`
}

// records are those of the round with a number, one a probe, in the order of lanes.
func (s *series) records(seq int64, at featurestore.Instant) []logrecord.Record {
	at = at.Floor(featurestore.Millisecond)
	out := make([]logrecord.Record, probes)
	for lane, probe := range s.probes {
		out[lane] = logrecord.Record{
			LogTime: featurestore.LogTime(at),
			Value: fmt.Appendf(nil, `{"at":%d,"part":%d,"series":%d,"probe":%d,"seq":%d}`,
				int64(at)/int64(featurestore.Millisecond), s.partition, s.id, probe, seq),
		}
	}
	return out
}

// resumed is the series that the last record of a partition belongs to, for a look
// at what another process, or this one before it was started anew, has left; nil
// where it is not the last of a round.
func resumed(partition int32, rec *logrecord.Record) (*series, error) {
	var r record
	if json.Unmarshal(rec.Value, &r) != nil || r.Part != int64(partition) || r.Seq < 1 {
		return nil, nil
	}
	s, err := newSeries(partition, r.Series)
	if err != nil || s.probes[probes-1] != r.Probe {
		return nil, err
	}
	s.wrote(round{r.Seq, rec.Offset - probes + 1}, featurestore.Instant(r.At*int64(featurestore.Millisecond)))
	return s, nil
}
