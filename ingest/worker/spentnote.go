package worker

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore/definition"
)

// spentNotes is their name in the online store, and spentVersion that of their form:
// docs/formats/budget-v1.md.
const (
	spentNotes   = "dead_letters"
	spentVersion = 1
)

// spentNote is what outlives a process of what was counted of a partition.
type spentNote struct {
	Version int       `json:"v"`
	Records string    `json:"records"` // how they were read: another definition counts anew
	Stamp   string    `json:"stamp"`   // of the notes of a source that are of one moment
	Counted int64     `json:"counted"` // the last offset that was counted, plus one
	Seen    int       `json:"seen"`    // records of all partitions in the window, at that moment
	Bad     []int64   `json:"bad,omitempty"`
	Halted  *haltNote `json:"halted,omitempty"`
}

// haltNote is why a partition has halted. It holds until its bad records can be read,
// or a person has taken one of the ways on.
type haltNote struct {
	At  int64  `json:"at"` // the offset of the newest of the bad records
	Bad int    `json:"bad"`
	Of  int    `json:"of"`
	Why string `json:"why"`
}

func (h *haltNote) error(source string, number int32) error {
	return &HaltedError{Source: source, Bad: h.Bad, Of: h.Of, Example: h.Why, Position: fmt.Sprintf("partition %d, offset %d", number, h.At)}
}

func (s *spending) noteField(number int32) string {
	return s.source + "/" + strconv.FormatUint(uint64(s.generation), 10) + "/" + strconv.FormatInt(int64(number), 10)
}

// bytes are the note as it is stored.
func (n *spentNote) bytes() []byte {
	text, err := json.Marshal(n)
	if err != nil {
		panic(err) // numbers and texts
	}
	return text
}

// parseSpent is nil where there is no note, or one of another version, or a damaged
// one: the count then begins anew.
func parseSpent(text []byte) *spentNote {
	n := &spentNote{}
	if len(text) == 0 || json.Unmarshal(text, n) != nil || n.Version != spentVersion {
		return nil
	}
	return n
}

// recordsDigest is of all in a definition that says how its records are read.
func recordsDigest(s *definition.StreamSource) string {
	h := xxh3.New()
	say := func(parts ...any) {
		for _, x := range parts {
			fmt.Fprintf(h, "%q ", fmt.Sprint(x)) // a hash takes all
		}
	}
	say(s.Format, s.Separator, s.Columns, s.Key, s.KeyForm)
	if r := s.Schema; r != nil {
		say("schema", r.File, r.Subject, r.Message, r.Digest)
	}
	for i := range s.Fields {
		say("field", s.Fields[i].Name, s.Fields[i].Type.String(), fmt.Sprintf("%q", s.Fields[i].At()))
	}
	t := s.Timestamp
	zone := t.Zone
	t.Zone = nil
	say("time", fmt.Sprintf("%+v", t))
	if zone != nil {
		say(zone.String())
	}
	return hex.EncodeToString(h.Sum(nil))
}
