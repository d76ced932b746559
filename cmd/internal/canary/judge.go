package canary

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Kind says what is wrong with a key.
type Kind string

// Kinds of finding.
const (
	Loss   Kind = "loss"   // a record that was acknowledged, and that the lane has passed, is not in the value
	Double Kind = "double" // a record counts twice
)

// Finding is a key of the canary that is not what its records say.
type Finding struct {
	Kind      Kind
	Partition int32
	Lane      uint16
	Series    int64
	Probe     int64
	Text      string // what was read, and what is due
}

// name tells findings apart: a key that stays wrong is one finding.
func (f *Finding) name() string {
	return fmt.Sprintf("%s/%d/%d/%d", f.Kind, f.Partition, f.Series, f.Probe)
}

// look is what was seen of one series: the lanes first, and then the values. A lane
// that has passed a record has it in the value that was read after it.
type look struct {
	series *series
	lanes  []online.Lane
	rows   [probes][cells]featurestore.Cell // by lane
}

// judge compares what was seen with what was written. Values that lookups do not
// answer (REBUILDING, ERROR) say so themselves, and are not judged.
func (l *look) judge() []Finding {
	id := online.Partition{Source: Source, Generation: 1, Number: l.series.partition}
	var out []Finding
	for lane := range l.rows {
		through := int64(-1)
		if lane < len(l.lanes) {
			if w, met := l.lanes[lane].Watermarks[id]; met {
				through = w.Offset
			}
		}
		due := l.series.due(lane, through)
		kind, text := judgeRow(&l.rows[lane], due)
		if kind == "" {
			continue
		}
		out = append(out, Finding{
			Kind: kind, Partition: l.series.partition, Lane: uint16(lane), Series: l.series.id, Probe: l.series.probes[lane],
			Text: fmt.Sprintf("%s; due are the numbers 1 to %d, of which the last is at offset %d; the lane has applied the partition through offset %d", text, due, l.series.offset(lane, due), through),
		})
	}
	return out
}

// offset is where the record with a number stands, of a probe; -1 where that is
// not known any more.
func (s *series) offset(lane int, seq int64) int64 {
	for _, r := range s.rounds {
		if r.seq == seq {
			return r.base + int64(lane)
		}
	}
	return -1
}

// judgeRow compares one key. The numbers from 1 to the newest must be there, each
// once: as many as the newest says, and with the sum that they have.
func judgeRow(row *[cells]featurestore.Cell, due int64) (Kind, string) {
	switch s := row[cellCount].Status; s {
	case featurestore.Present:
	case featurestore.NotFound, featurestore.Empty:
		if due > 0 {
			return Loss, "nothing is stored (" + s.String() + ")"
		}
		return "", ""
	default:
		return "", ""
	}
	n, first, newest, total := row[cellCount].Value.Int64(), row[cellFirst].Value.Int64(), row[cellNewest].Value.Int64(), row[cellTotal].Value.Int64()
	text := fmt.Sprintf("%d records are counted, numbered %d to %d, with the sum %d", n, first, newest, total)
	switch {
	case n > newest-first+1:
		return Double, text
	case n < newest-first+1, first != 1, newest < due:
		return Loss, text
	case total != newest*(newest+1)/2:
		return Double, text + ": as many as are due, so that one counts twice and another is missing"
	}
	return "", ""
}

// served reports whether lookups see all that a round has written.
func (l *look) served(seq int64) bool {
	for lane := range l.rows {
		row := &l.rows[lane]
		if row[cellCount].Status != featurestore.Present || row[cellNewest].Value.Int64() < seq {
			return false
		}
	}
	return true
}

// unanswered is the status of the first value that lookups do not answer.
func (l *look) unanswered() (featurestore.Status, bool) {
	for lane := range l.rows {
		switch s := l.rows[lane][cellCount].Status; s {
		case featurestore.Present, featurestore.NotFound, featurestore.Empty:
		default:
			return s, true
		}
	}
	return 0, false
}
