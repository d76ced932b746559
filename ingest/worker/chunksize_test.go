package worker

import (
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/transforms/expr"
)

// A chunk is large where few share the memory, and small where many do.
func TestChunkSize(t *testing.T) {
	source := &definition.StreamSource{Meta: definition.Meta{Name: "payments"}, EventID: -1, Sequence: -1, Fields: make([]definition.Field, 3)}
	text, err := expr.Compile("channel", []expr.Var{{Name: "channel", Type: featurestore.String}})
	ok(t, err)
	viewOf := func(inputs int) *View {
		b := definition.Binding{Source: source}
		for range inputs {
			b.Inputs = append(b.Inputs, text)
		}
		return &View{view: &definition.StreamView{Bindings: []definition.Binding{b}}, binding: map[string]int{"payments": 0}}
	}
	readings := func(views, inputs int) []reading {
		r := reading{source: source}
		for range views {
			r.views = append(r.views, viewOf(inputs))
		}
		return []reading{r}
	}
	for _, c := range []struct {
		name                      string
		sources, partitions       int
		views, inputs             int
		leastEvents, greatestThen int
	}{
		{"one view", 1, 2, 1, 1, mostOfChunk, mostOfChunk},
		{"many partitions", 1, 127, 1, 1, 18_000, 1 << 20 / (24 + 3*9)},
		{"many wide views", 1, 2, 25, 10, 15_000, laidBytes / 25 / 10 / valueBytes},
		{"as many in each of some sources", 5, 2, 25, 10, 3_000, laidBytes / 5 / 25 / 10 / valueBytes},
		{"more than there is room for", 1000, 20_000, 25, 10, 1, 1},
	} {
		size := chunkSizeOf(c.sources, c.partitions, readings(c.views, c.inputs))
		if size.bytes != chunkBytes/c.sources/(c.partitions+1) || size.events < c.leastEvents || size.events > c.greatestThen {
			t.Errorf("%s: %+v", c.name, size)
		}
	}
	two := append(readings(1, 1), readings(1, 1)...)
	if one, both := chunkSizeOf(1, 15, two[:1]), chunkSizeOf(1, 15, two); both.events > one.events/2+1 {
		t.Errorf("events that are decoded twice are as many as others: %+v, %+v", one, both)
	}
	source.EventID = 0
	if plain, more := rowBytesOf(&definition.Binding{Source: &definition.StreamSource{EventID: -1, Sequence: -1}}), rowBytesOf(&definition.Binding{Source: source}); more != plain+moreBytes {
		t.Errorf("a row takes %d bytes, one with an id %d", plain, more)
	}
}

// A view makes room for the rows of the chunks that it gets, and for no more: also
// where it got larger ones before.
func TestRoomForRows(t *testing.T) {
	source := &definition.StreamSource{Meta: definition.Meta{Name: "payments"}, EventID: -1, Sequence: -1}
	v := &View{view: &definition.StreamView{Bindings: []definition.Binding{{Source: source}}}, most: mostOfChunk}
	v.lanes.marks = make([]map[online.Partition]mark, 4)
	room := func() int {
		v.begin(online.Partition{Source: "payments"}, 0, v.most)
		p := &v.fold.parts[0]
		for len(p.rows) < v.fold.most/8+1 {
			if n := len(p.rows); n == cap(p.rows) {
				p.grow(&v.fold, n)
			}
			p.rows = append(p.rows, laidRow{})
		}
		p.grow(&v.fold, len(p.rows))
		return cap(p.rows)
	}
	if large := room(); large < mostOfChunk/4 || large > mostOfChunk/2 {
		t.Errorf("room for %d of %d rows in 4 lanes", large, mostOfChunk)
	}
	const few = 8000
	expectChunks([]*partition{
		{chunk: chunkSize{events: few / 2}, readings: []reading{{views: []*View{v}}}},
		{chunk: chunkSize{events: few}, readings: []reading{{views: []*View{v}}}},
	})
	if small := room(); small < few/4 || small > few/2 {
		t.Errorf("room for %d of %d rows in 4 lanes", small, few)
	}
}
