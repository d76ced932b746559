package agg

import (
	"sort"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// stamped is a value with the place in the total order of its event.
type stamped struct {
	at Stamp
	x  Held
}

func (e *stamped) set(o *Order, x *featurestore.Value) {
	e.at.Set(o)
	e.x.Set(x)
}

func (e *stamped) copyFrom(o *stamped) {
	e.at.copyFrom(&o.at)
	e.x.copyFrom(&o.x)
}

// run is a list of events in ascending order. It owns its events and uses the
// memory of those that left it again. The same event twice is one event.
type run struct {
	events []*stamped
	free   []*stamped
	spare  []*stamped // memory for merges
}

func (l *run) reset() {
	l.free = append(l.free, l.events...)
	l.events = l.events[:0]
}

// take gives an event that is not in the list.
func (l *run) take() *stamped {
	if n := len(l.free); n > 0 {
		e := l.free[n-1]
		l.free = l.free[:n-1]
		return e
	}
	return new(stamped)
}

// search gives the index of the first event that is not before o, and whether it
// is at o. Events mostly come in order, so it looks at the end first.
func (l *run) search(o *Order) (i int, found bool) {
	n := len(l.events)
	if n == 0 {
		return 0, false
	}
	if c := l.events[n-1].at.Compare(o); c < 0 {
		return n, false
	}
	i = sort.Search(n, func(i int) bool { return l.events[i].at.Compare(o) >= 0 })
	return i, l.events[i].at.Compare(o) == 0
}

// insert puts e at index i.
func (l *run) insert(i int, e *stamped) {
	l.events = append(l.events, nil)
	copy(l.events[i+1:], l.events[i:])
	l.events[i] = e
}

// remove takes the event at index i out.
func (l *run) remove(i int) {
	l.free = append(l.free, l.events[i])
	l.events = append(l.events[:i], l.events[i+1:]...)
}

// append writes the events in ascending order: the first as an ordered event,
// each other by its distance from the one before it.
func (l *run) append(dst []byte, kind featurestore.Kind, origin int64) []byte {
	dst = pack.AppendUint(dst, uint64(len(l.events)))
	for i, e := range l.events {
		if i == 0 {
			dst = e.at.Append(dst, origin)
		} else {
			dst = e.at.appendAfter(dst, &l.events[i-1].at)
		}
		dst = e.x.appendAs(dst, kind)
	}
	return dst
}

// decode reads a list of at most n events, and at least one.
func (l *run) decode(r *pack.Reader, kind featurestore.Kind, origin int64, n int) {
	size := r.Count(4)
	if size == 0 || size > n {
		r.Failf("a list keeps %d of at most %d events", size, n)
	}
	for i := 0; i < size && r.Err() == nil; i++ {
		e := l.take()
		l.events = append(l.events, e)
		if i == 0 {
			e.at.Decode(r, origin)
		} else {
			e.at.decodeAfter(r, &l.events[i-1].at)
		}
		e.x.decodeAs(r, kind)
	}
}

// appendAs appends the value, which is not null, without its kind where that
// says all of its type.
func (h *Held) appendAs(dst []byte, kind featurestore.Kind) []byte {
	switch kind {
	case featurestore.KindBool, featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
		return pack.AppendInt(dst, h.v.Int64())
	case featurestore.KindDouble:
		return pack.AppendDouble(dst, h.v.Double())
	case featurestore.KindString, featurestore.KindBytes:
		return pack.AppendText(dst, h.text)
	}
	return pack.AppendValue(dst, h.v)
}

// decodeAs reads a value of appendAs.
func (h *Held) decodeAs(r *pack.Reader, kind featurestore.Kind) {
	switch kind {
	case featurestore.KindBool, featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
		v := r.Int()
		if kind == featurestore.KindBool && v>>1 != 0 {
			r.Fail(pack.ErrCanonical)
		}
		h.v = integral(kind, v)
	case featurestore.KindDouble:
		h.v = featurestore.DoubleValue(r.Double())
	case featurestore.KindString:
		h.v, h.text = featurestore.StringValue(""), append(h.text[:0], r.Text()...)
	case featurestore.KindBytes:
		h.v, h.text = featurestore.BytesValue(""), append(h.text[:0], r.Text()...)
	default:
		h.v = r.Value()
		if k := h.v.Kind(); k != kind && r.Err() == nil {
			r.Failf("the value of an event is a %s, not a %s", k, kind)
		}
	}
}
