package agg

import (
	"bytes"
	"cmp"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// Order is an event's place in the total order of events (semantics: Order and
// ties): event time, then the sequence with null first, then the position.
type Order struct {
	Time     featurestore.EventTime
	Sequence featurestore.Value
	featurestore.Position
}

// Compare gives -1, 0 or 1.
func (o *Order) Compare(x *Order) int {
	if c := cmp.Compare(o.Time, x.Time); c != 0 {
		return c
	}
	if c := o.Sequence.Compare(x.Sequence); c != 0 {
		return c
	}
	return o.Position.Compare(x.Position)
}

// Held is a value that outlives the batch that it came from: it owns its text
// and uses that memory again when it is set anew.
type Held struct {
	v    featurestore.Value // of a string or bytes value only its kind
	text []byte
}

// Set makes h hold a copy of x.
func (h *Held) Set(x *featurestore.Value) {
	switch x.Kind() {
	case featurestore.KindString:
		h.v, h.text = featurestore.StringValue(""), append(h.text[:0], x.Str()...)
	case featurestore.KindBytes:
		h.v, h.text = featurestore.BytesValue(""), append(h.text[:0], x.Str()...)
	default:
		h.v = pack.CloneValue(*x)
	}
}

// Get gives the value; its text is a copy.
func (h *Held) Get() featurestore.Value {
	switch h.v.Kind() {
	case featurestore.KindString:
		return featurestore.StringValue(string(h.text))
	case featurestore.KindBytes:
		return featurestore.BytesValue(string(h.text))
	}
	return h.v
}

func (h *Held) isText() bool {
	return h.v.Kind() == featurestore.KindString || h.v.Kind() == featurestore.KindBytes
}

// compare is Get().Compare(*x) without the copy.
func (h *Held) compare(x *featurestore.Value) int {
	if !h.isText() || x.Kind() != h.v.Kind() {
		return h.v.Compare(*x)
	}
	switch s := x.Str(); {
	case string(h.text) < s:
		return -1
	case string(h.text) > s:
		return 1
	}
	return 0
}

// compareHeld is Get().Compare(o.Get()) without the copies.
func (h *Held) compareHeld(o *Held) int {
	if h.isText() && o.v.Kind() == h.v.Kind() {
		return bytes.Compare(h.text, o.text)
	}
	return h.v.Compare(o.v)
}

// copyFrom makes h hold what o holds.
func (h *Held) copyFrom(o *Held) {
	h.v, h.text = o.v, append(h.text[:0], o.text...)
}

// Append appends the value as pack.AppendValue does.
func (h *Held) Append(dst []byte) []byte {
	if h.isText() {
		return pack.AppendText(append(dst, byte(h.v.Kind())), h.text)
	}
	return pack.AppendValue(dst, h.v)
}

// Decode reads a value of Append.
func (h *Held) Decode(r *pack.Reader) {
	v := r.Value()
	h.Set(&v)
}

// Stamp is an Order that owns its memory.
type Stamp struct {
	time     featurestore.EventTime
	sequence Held
	position featurestore.Position
}

// Set makes s a copy of o.
func (s *Stamp) Set(o *Order) {
	s.time, s.position = o.Time, o.Position
	s.sequence.Set(&o.Sequence)
}

// Time is the event time.
func (s *Stamp) Time() featurestore.EventTime { return s.time }

// Compare orders s against o: -1, 0 or 1.
func (s *Stamp) Compare(o *Order) int {
	if c := cmp.Compare(s.time, o.Time); c != 0 {
		return c
	}
	if c := s.sequence.compare(&o.Sequence); c != 0 {
		return c
	}
	return s.position.Compare(o.Position)
}

func (s *Stamp) compareStamp(o *Stamp) int {
	if c := cmp.Compare(s.time, o.time); c != 0 {
		return c
	}
	if c := s.sequence.compareHeld(&o.sequence); c != 0 {
		return c
	}
	return s.position.Compare(o.position)
}

// order gives the stamp as an Order; its text is a copy.
func (s *Stamp) order() Order {
	return Order{Time: s.time, Sequence: s.sequence.Get(), Position: s.position}
}

func (s *Stamp) copyFrom(o *Stamp) {
	s.time, s.position = o.time, o.position
	s.sequence.copyFrom(&o.sequence)
}

// Append appends the stamp, its time relative to origin.
func (s *Stamp) Append(dst []byte, origin int64) []byte {
	dst = pack.AppendInt(dst, int64(s.time)-origin)
	dst = s.sequence.Append(dst)
	dst = appendPartition(dst, s.position.PartitionID)
	return pack.AppendInt(dst, s.position.Offset)
}

// Decode reads a stamp of Append.
func (s *Stamp) Decode(r *pack.Reader, origin int64) {
	s.time = featurestore.EventTime(r.Int() + origin)
	s.sequence.Decode(r)
	s.position.PartitionID = decodePartition(r)
	s.position.Offset = r.Int()
}

// appendAfter appends a stamp that comes after prev: how much later it is, twice,
// plus 1 where it comes of the same partition; its sequence; its partition,
// unless it is the same; and its offset, less that of prev where it is.
func (s *Stamp) appendAfter(dst []byte, prev *Stamp) []byte {
	head, offset := uint64(s.time-prev.time)<<1, s.position.Offset
	same := s.position.PartitionID == prev.position.PartitionID
	if same {
		head |= 1
		offset -= prev.position.Offset
	}
	dst = s.sequence.Append(pack.AppendUint(dst, head))
	if !same {
		dst = appendPartition(dst, s.position.PartitionID)
	}
	return pack.AppendInt(dst, offset)
}

// decodeAfter reads a stamp of appendAfter and refuses one that is not after
// prev.
func (s *Stamp) decodeAfter(r *pack.Reader, prev *Stamp) {
	head := r.Uint()
	s.time = prev.time + featurestore.EventTime(head>>1)
	s.sequence.Decode(r)
	if same := head&1 == 1; same {
		s.position.PartitionID = prev.position.PartitionID
		s.position.Offset = prev.position.Offset + r.Int()
	} else {
		s.position.PartitionID = decodePartition(r)
		s.position.Offset = r.Int()
		if s.position.PartitionID == prev.position.PartitionID {
			r.Fail(pack.ErrCanonical)
		}
	}
	if r.Err() == nil && prev.compareStamp(s) >= 0 {
		r.Fail(pack.ErrCanonical)
	}
}

func appendPartition(dst []byte, p featurestore.PartitionID) []byte {
	dst = pack.AppendUint(dst, uint64(p.Source))
	dst = pack.AppendUint(dst, uint64(p.Generation))
	return pack.AppendInt(dst, int64(p.Partition))
}

func decodePartition(r *pack.Reader) featurestore.PartitionID {
	source, generation, partition := r.Uint(), r.Uint(), r.Int()
	if source>>16 != 0 || generation>>32 != 0 || partition != int64(int32(partition)) {
		r.Failf("a position (%d, %d, %d) is out of range", source, generation, partition)
	}
	return featurestore.PartitionID{Source: uint16(source), Generation: uint32(generation), Partition: int32(partition)}
}
