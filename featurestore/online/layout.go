package online

import (
	"fmt"
	"strconv"

	"github.com/freshet/freshet/featurestore"
)

// Check says what is wrong with the names of a generation. Names are checked
// here, and not only where definitions are read, because they become part of
// the keys: a dot or a brace in one would put a lane into another's place.
func (g Generation) Check() error {
	if err := featurestore.CheckName(g.Project); err != nil {
		return featurestore.Invalidf("project: %w", err)
	}
	if err := featurestore.CheckName(g.View); err != nil {
		return featurestore.Invalidf("view: %w", err)
	}
	return nil
}

// String writes the generation as it stands in keys: project.view.number.
func (g Generation) String() string { return string(g.append(nil)) }

func (g Generation) append(dst []byte) []byte {
	dst = append(dst, g.Project...)
	dst = append(dst, '.')
	dst = append(dst, g.View...)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, uint64(g.Number), 10)
}

// AppendPrefix appends what the keys of all lanes of a generation, and no
// others, begin with: {project.view.number.
func (g Generation) AppendPrefix(dst []byte) []byte {
	return append(g.append(append(dst, '{')), '.')
}

// AppendTag appends the hash tag of a lane, {project.view.number.lane}. It comes
// first in every key, so that no byte of an entity key can change where the key
// lands: Redis Cluster hashes what stands in the first pair of braces.
func (l LaneID) AppendTag(dst []byte) []byte {
	return append(strconv.AppendUint(l.AppendPrefix(dst), uint64(l.Lane), 10), '}')
}

// AppendWatermarksKey appends the key of a lane's watermarks.
func (l LaneID) AppendWatermarksKey(dst []byte) []byte { return append(l.AppendTag(dst), ":w"...) }

// AppendMetaKey appends the key of a lane's metadata.
func (l LaneID) AppendMetaKey(dst []byte) []byte { return append(l.AppendTag(dst), ":m"...) }

// AppendEntityKey appends the key of an entity's blob, or its open part: tag, ":e:", entity key.
func (l LaneID) AppendEntityKey(dst, key []byte) []byte {
	return append(append(l.AppendTag(dst), ":e:"...), key...)
}

// AppendClosedKey appends the key of an entity's closed part: tag, ":c:", entity key.
func (l LaneID) AppendClosedKey(dst, key []byte) []byte {
	return append(append(l.AppendTag(dst), ":c:"...), key...)
}

// CheckNotes says what is wrong with the names of notes.
func CheckNotes(project, name string) error {
	if err := featurestore.CheckName(project); err != nil {
		return featurestore.Invalidf("project: %w", err)
	}
	if err := featurestore.CheckName(name); err != nil {
		return featurestore.Invalidf("notes: %w", err)
	}
	return nil
}

// AppendNotesKey appends the key of a project's notes: no generation's key begins so.
func AppendNotesKey(dst []byte, project, name string) []byte {
	return append(append(append(append(dst, '{'), project...), ".}:"...), name...)
}

// LaneIDs are the first n lanes of a generation, in order.
func (g Generation) LaneIDs(n uint16) []LaneID {
	ids := make([]LaneID, n)
	for i := range ids {
		ids[i] = LaneID{Generation: g, Lane: uint16(i)}
	}
	return ids
}

var stateNames = [...]string{"", "BUILDING", "LIVE", "LOST", "GAP", "HALTED", "CATCHING_UP"}

// String gives the state as it is stored; "" for StateMissing, and a word that is
// never stored for StateUnknown.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	if s == StateUnknown {
		return "UNKNOWN"
	}
	return fmt.Sprintf("STATE(%d)", uint8(s))
}

// ParseState reads a stored state; StateMissing is never stored.
func ParseState(name string) (State, error) {
	for i := StateBuilding; i <= StateCatchingUp; i++ {
		if stateNames[i] == name {
			return i, nil
		}
	}
	return StateMissing, fmt.Errorf("unknown lane state %q", name)
}

// Check says what is wrong with metadata that is to be created.
func (m Meta) Check() error {
	if m.Lanes == 0 {
		return featurestore.Invalidf("a generation needs at least one lane")
	}
	if m.Lanes > MostLanes {
		return featurestore.Invalidf("a generation has at most %d lanes, not %d", MostLanes, m.Lanes)
	}
	if m.State < StateBuilding || m.State > StateCatchingUp {
		return featurestore.Invalidf("a lane is not created in state %q", m.State)
	}
	return nil
}

// SameGeneration reports whether two lanes carry the same metadata, their
// states aside.
func (m Meta) SameGeneration(o Meta) bool {
	m.State = o.State
	return m == o
}

// RowOrder gives the order of a row's blob: memcomparable bytes, so that
// bytes.Compare of two orders compares the rows. The first 2 + len(order) bytes
// of a blob are its order's length and its order, and identify it.
func RowOrder(blob []byte) ([]byte, error) {
	if len(blob) < 2 {
		return nil, featurestore.Invalidf("a row of %d bytes has no order", len(blob))
	}
	n := int(blob[0]) | int(blob[1])<<8
	if n > len(blob)-2 {
		return nil, featurestore.Invalidf("a row of %d bytes is too short for its order of %d", len(blob), n)
	}
	return blob[2 : 2+n], nil
}
