package agg

import (
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/agg/pack"
)

// Any aggregate whose value is a single one can be asked for `by` a field: a map
// from the text of the field (keyText) to the value over the events that have
// it, keys ascending. An event whose field is null counts for nothing. Above
// max_keys those with the smallest hashes are kept (smallest), each with its exact
// value, and the status is APPROXIMATE. A kept key whose own value would be EMPTY
// (lag with too few events, a null by nulls: respect) is not in the map; where none
// is, the whole is EMPTY. A value that the inputs of a key do not have (var_samp of
// one) is null there. Where the value of a key overflows it is null too, and the
// status of the whole is OVERFLOW.
//
// State: the key, 24 bytes and the aggregate's own state for each key, at most
// max_keys. Features that are `by` the same field of the same events, with the
// same cap, share the keys. Error: none up to max_keys; above it none in what is
// kept. Retraction: rebuilt, since a key that was dropped may have to come back.

// checkKey checks the type of keys; what names whose.
func checkKey(what string, t featurestore.Type) error {
	switch t.Kind {
	case featurestore.KindString, featurestore.KindInt64, featurestore.KindBool, featurestore.KindTimestamp, featurestore.KindDecimal:
		return nil
	}
	return fmt.Errorf("the keys of %s cannot be %s: use string, int64, bool, timestamp or decimal", what, t)
}

// checkBy checks a call with a key; t is the type of the value of one key.
func checkBy(c *Call, t featurestore.Type) (featurestore.Type, error) {
	if err := checkKey("by", c.By); err != nil {
		return featurestore.Type{}, err
	}
	if !isScalar(t) {
		return featurestore.Type{}, fmt.Errorf("%s gives %s, which cannot be by a field: by is for aggregates that give a single value", c.Func, t)
	}
	if c.MaxKeys != 0 {
		if err := within(c, "max_keys", c.MaxKeys, 1, MaxMaxKeys); err != nil {
			return featurestore.Type{}, err
		}
	}
	return featurestore.Map(t), nil
}

// keyText is the text of a key: a string as it is, an int64 in decimal digits,
// true or false, a timestamp in RFC 3339, a decimal with all digits of its scale.
// It differs for different values.
func keyText(v featurestore.Value, t featurestore.Type) string { return v.Text(t) }

// mapBuilder collects a map whose keys come in any order.
type mapBuilder struct{ entries []mapEntry }

type mapEntry struct {
	key   string
	value featurestore.Value
}

func (m *mapBuilder) put(key string, v featurestore.Value) {
	m.entries = append(m.entries, mapEntry{key: key, value: v})
}

func (m *mapBuilder) value() featurestore.Value {
	slices.SortFunc(m.entries, func(a, b mapEntry) int { return strings.Compare(a.key, b.key) })
	keys, values := make([]string, len(m.entries)), make([]featurestore.Value, len(m.entries))
	for i, e := range m.entries {
		keys[i], values[i] = e.key, e.value
	}
	return featurestore.MapValue(keys, values)
}

// byKey are what a group keeps for each key.
var byKey = quantities{
	integers: &quantity{"keys", newKeyed[integer]},
	texts:    &quantity{"keys", newKeyed[text]},
}

// placeBy puts a feature's aggregate into the layout that is kept for each key
// of its field. f is placed but for that.
func (l *Layout) placeBy(f Finisher, u *Use) (Finisher, error) {
	size := int64(DefaultMaxKeys)
	if u.Call.MaxKeys != 0 {
		size = u.Call.MaxKeys
	}
	i := l.partial(partial{need: need{quantity: byKey.of(u.Call.By), size: size}, in: u.Call.By, group: f.group, x: u.By, y: -1})
	if l.partials[i].inner == nil {
		l.partials[i].inner = &Layout{}
	}
	within := *u
	within.Call.By, within.Call.MaxKeys = featurestore.Type{}, 0
	inner, err := l.partials[i].inner.place(&within, true)
	if err != nil {
		return Finisher{}, err
	}
	f.partials, f.inner = []int{i}, &inner
	return f, nil
}

// keyed is the column of a by: each cell is a map from keys to slots of inner,
// which belong to the cell.
type keyed[K scalar[K]] struct {
	partial *partial
	inner   *Cells
	at      []smallest[K, Slot]
	pair    [1]Slot // scratch
}

func newKeyed[K scalar[K]](p *partial) column {
	return &keyed[K]{partial: p, inner: p.inner.NewCells()}
}

func (c *keyed[K]) grow(n int) {
	if n > len(c.at) {
		c.at = append(c.at, make([]smallest[K, Slot], n-len(c.at))...)
	}
}

func (c *keyed[K]) reset(slot Slot) {
	m := &c.at[slot]
	for i := range m.entries {
		c.inner.Free(m.entries[i].v)
	}
	m.reset(c.partial.size, c.partial.in.Kind)
}

func (c *keyed[K]) add(slot Slot, o *Order, inputs []featurestore.Value) {
	var k K
	v, fresh, evicted, out := c.at[slot].admit(k.of(&inputs[c.partial.x]))
	if out {
		c.inner.Free(evicted)
	}
	if v == nil {
		return
	}
	if fresh {
		*v = c.inner.Alloc()
	}
	c.inner.Add(*v, o, inputs)
}

func (c *keyed[K]) merge(dst Slot, src []Slot) {
	for _, s := range src {
		c.at[dst].merge(&c.at[s], c)
	}
}

func (c *keyed[K]) join(dst *Slot, src Slot) {
	c.pair[0] = src
	c.inner.Merge(*dst, c.pair[:])
}

func (c *keyed[K]) take(src Slot) Slot {
	s := c.inner.Alloc()
	c.join(&s, src)
	return s
}

func (c *keyed[K]) drop(v Slot) { c.inner.Free(v) }

func (c *keyed[K]) append(dst []byte, slot Slot, origin int64) []byte {
	return c.at[slot].append(dst, func(dst []byte, v Slot) []byte { return c.inner.Append(dst, v, origin) })
}

func (c *keyed[K]) decode(r *pack.Reader, slot Slot, origin int64) {
	c.at[slot].decode(r, 2, func() Slot {
		s := c.inner.Alloc()
		c.inner.Decode(r, s, origin)
		if c.inner.Blank(s) {
			r.Failf("a key without events")
		}
		return s
	})
}

func (c *keyed[K]) subtractable() bool { return false }
func (c *keyed[K]) remove(Slot, *Order, []featurestore.Value) {
	panic("agg: keys are not subtractable")
}

// readBy gives the map of all keys' values.
func (f *Finisher) readBy(c *Cells, s Slot, t featurestore.Instant) featurestore.Cell {
	if col, ok := c.cols[f.partials[0]].(*keyed[text]); ok {
		return col.read(f, s, t)
	}
	return c.cols[f.partials[0]].(*keyed[integer]).read(f, s, t)
}

func (c *keyed[K]) read(f *Finisher, s Slot, t featurestore.Instant) featurestore.Cell {
	m, out := &c.at[s], mapBuilder{}
	status := capped(featurestore.Null, m.dropped).Status
	for i := range m.entries {
		e := &m.entries[i]
		cell := f.inner.Read(c.inner, e.v, t)
		if cell.Status == featurestore.Empty {
			continue
		}
		status = min(status, cell.Status) // the stronger
		out.put(keyText(e.key.value(m.kind), f.call.By), cell.Value)
	}
	if len(out.entries) == 0 {
		return f.Empty(featurestore.Empty)
	}
	return featurestore.Cell{Value: out.value(), Status: status}
}
