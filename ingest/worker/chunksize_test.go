package worker

import (
	"testing"

	"github.com/freshet/freshet/featurestore/definition"
)

// A chunk is large where few share the memory, and small where many do.
func TestChunkSize(t *testing.T) {
	source := &definition.StreamSource{Meta: definition.Meta{Name: "payments"}, EventID: -1, Sequence: -1, Fields: make([]definition.Field, 3)}
	viewOf := func(inputs int) *View {
		b := definition.Binding{Source: source}
		for range inputs {
			b.Inputs = append(b.Inputs, nil)
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
		bytes, partitions         int
		views, inputs             int
		leastEvents, greatestThen int
	}{
		{"one view", chunkBytes, 2, 1, 1, mostOfChunk, mostOfChunk},
		{"many partitions", chunkBytes, 127, 1, 1, 18_000, 1 << 20 / (24 + 3*9)},
		{"many wide views", chunkBytes, 2, 25, 10, 15_000, laidBytes / 25 / 10 / valueBytes},
		{"more than there is room for", 100, 200, 25, 10, 1, 1},
	} {
		size := chunkSizeOf(c.bytes, c.partitions, readings(c.views, c.inputs))
		if size.bytes != c.bytes/(c.partitions+1) || size.events < c.leastEvents || size.events > c.greatestThen {
			t.Errorf("%s: %+v", c.name, size)
		}
	}
	two := append(readings(1, 1), readings(1, 1)...)
	if one, both := chunkSizeOf(chunkBytes, 15, two[:1]), chunkSizeOf(chunkBytes, 15, two); both.events > one.events/2+1 {
		t.Errorf("events that are decoded twice are as many as others: %+v, %+v", one, both)
	}
	source.EventID = 0
	if plain, more := rowBytesOf(&definition.Binding{Source: &definition.StreamSource{EventID: -1, Sequence: -1}}), rowBytesOf(&definition.Binding{Source: source}); more != plain+moreBytes {
		t.Errorf("a row takes %d bytes, one with an id %d", plain, more)
	}
}
