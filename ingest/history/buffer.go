package history

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
)

// buffers hold the rows that wait for a seal, by partition and column, without a
// pointer a cell. There are two of them: one is filled while the other is sealed.
type buffers struct {
	source *definition.StreamSource
	most   int // rows of a partition, about
	of     map[offline.Partition]*buffer
	rows   int
	bytes  int64
}

// buffer is the rows of one partition, ascending by offset.
type buffer struct {
	*columnar.Events
	late []bool
}

func newBuffers(source *definition.StreamSource, most int) *buffers {
	return &buffers{source: source, most: most, of: map[offline.Partition]*buffer{}}
}

func (b *buffers) partition(p offline.Partition) *buffer {
	part := b.of[p]
	if part == nil {
		part = &buffer{Events: columnar.NewStored(b.source)}
		part.Expect(b.most)
		b.of[p] = part
	}
	return part
}

// add copies rows of one partition.
func (b *buffers) add(p offline.Partition, events *columnar.Events, from, to int) error {
	part := b.partition(p)
	before := part.Bytes()
	if err := part.AppendRows(events, from, to); err != nil {
		return err
	}
	part.late = slices.Grow(part.late, part.Len()-len(part.late))
	ev := featurestore.Event{}
	times, logs, changes := events.Times(), events.LogTimes(), events.Changes()
	for row := from; row < to; row++ {
		ev.Time, ev.LogTime = times[row], logs[row]
		if len(changes) > 0 {
			ev.Change = changes[row]
		}
		part.late = append(part.late, ev.Late(b.source.AllowedLateness))
	}
	b.rows += to - from
	b.bytes += int64(part.Bytes() - before)
	return nil
}

// reset empties the buffers and keeps their memory.
func (b *buffers) reset() {
	b.rows, b.bytes = 0, 0
	for _, part := range b.of {
		part.Reset()
		part.late = part.late[:0]
	}
}
