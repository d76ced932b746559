package worker

import (
	"encoding/binary"
	"math"
	"slices"
	"unsafe"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/expr"
	"github.com/freshet/freshet/transforms/window"
)

// lanePart is what a chunk has for one lane: its rows. What is read together of a row
// lies together, because those of an entity lie anywhere in its lane.
type lanePart struct {
	rows    []laidRow
	data    []byte               // of each row what is said of laidRow
	values  []featurestore.Value // its other inputs, those of a row behind those of the one before
	more    []moreOfRow
	next    []int32 // the entity's next row, -1 at the end
	works   []work
	left    []*work // those that unfinished gives
	grouped bool    // rows belong to works
}

// laidRow is a row. Its data are its log time where lag is farLag, its scalars, each a
// kind and bits, and its key. Those of a lane stay far below 4 GiB: a chunk has 600,000
// rows at most, or as many as take laidBytes, and a run as many as take runBytes.
type laidRow struct {
	offset int64
	time   featurestore.EventTime
	lag    int32  // from its time to its log time
	at     uint32 // where its data begin
}

// farLag stands for a lag of more than half an hour.
const farLag = math.MinInt32

func lagOf(ev *featurestore.Event) int32 {
	lag := int64(ev.LogTime) - int64(ev.Time)
	if int64(int32(lag)) != lag {
		return farLag
	}
	return int32(lag)
}

// moreOfRow is what only rows of some sources have.
type moreOfRow struct {
	sequence featurestore.Value
	id       string
	change   featurestore.Change
	mutated  featurestore.EventTime
}

// The sizes of rows.
const (
	rowBytes   = int(unsafe.Sizeof(laidRow{})) + 4 // and the next row
	bitsBytes  = 1 + 8                             // of a scalar: its kind, and its bits
	valueBytes = int(unsafe.Sizeof(featurestore.Value{}))
	moreBytes  = int(unsafe.Sizeof(moreOfRow{}))
)

// isScalar reports whether values of an expression are neither texts nor lists or maps.
func isScalar(p *expr.Program) bool {
	switch p.Type().Kind {
	case featurestore.KindString, featurestore.KindBytes, featurestore.KindList, featurestore.KindMap:
		return false
	}
	return true
}

// lay adds the row of an event, whose key stands in the buffers, where its lane
// still needs it.
func (f *foldBuffers) lay(ev *featurestore.Event) {
	lane := codec.Lane(f.key, uint16(len(f.from)))
	if ev.Offset <= f.from[lane] {
		return
	}
	p := &f.parts[lane]
	if n := len(p.rows); n == cap(p.rows) {
		p.grow(f, n)
	}
	row := laidRow{offset: ev.Offset, time: ev.Time, lag: lagOf(ev), at: uint32(len(p.data))}
	p.rows = append(p.rows, row)
	if row.lag == farLag {
		p.data = binary.LittleEndian.AppendUint64(p.data, uint64(ev.LogTime))
	}
	for i, program := range f.binding.Inputs {
		value, failed := program.Eval(ev.Fields)
		if failed {
			f.counts.FailedExpr++
		}
		if f.bits[i] {
			p.data = append(p.data, byte(value.Kind()))
			p.data = binary.LittleEndian.AppendUint64(p.data, value.Bits())
		} else {
			p.values = append(p.values, f.keep(value))
		}
	}
	p.data = append(p.data, f.key...)
	f.size += rowBytes + len(p.data) - int(row.at) + f.wide*valueBytes
	if f.full {
		p.more = append(p.more, moreOfRow{sequence: f.keep(ev.Sequence), id: f.keepText(ev.ID), change: ev.Change, mutated: ev.Mutated})
		f.size += moreBytes
	}
}

// keep is a value that lives as long as the rows.
func (f *foldBuffers) keep(v featurestore.Value) featurestore.Value {
	switch v.Kind() {
	case featurestore.KindString:
		return featurestore.StringValue(f.keepText(v.Str()))
	case featurestore.KindBytes:
		return featurestore.BytesValue(f.keepText(v.Str()))
	}
	return v // lists and maps have memory of their own
}

func (f *foldBuffers) keepText(s string) string {
	if !f.own {
		return s
	}
	f.size += len(s)
	return f.texts.add(s)
}

// texts cuts strings out of shared blocks, which are never written again.
type texts struct{ block []byte }

const textBlock = 64 << 10

func (t *texts) add(s string) string {
	if len(s) == 0 {
		return ""
	}
	if cap(t.block)-len(t.block) < len(s) {
		t.block = make([]byte, 0, max(textBlock, len(s)))
	}
	start := len(t.block)
	t.block = append(t.block, s...)
	return unsafe.String(&t.block[start], len(s))
}

// grow makes room for more than the n rows that are there: once they are a few, for
// as many as may come to be, instead of moving them again and again.
func (p *lanePart) grow(f *foldBuffers, n int) {
	more := max(n, 16)
	switch {
	case n >= f.most:
		more = max(n/8, 16)
	case n >= f.most/8:
		more = f.most - n
	}
	p.rows, p.next = slices.Grow(p.rows, more), slices.Grow(p.next, n+more)
	p.values = slices.Grow(p.values, more*f.wide)
	if n > 0 { // as long as those that are there, and a little more
		p.data = slices.Grow(p.data, (len(p.data)/n+1)*more)
	}
	if f.full {
		p.more = slices.Grow(p.more, more)
	}
}

// rowAt is a row of a lane, valid until the next call.
func (by *hand) rowAt(f *foldBuffers, p *lanePart, at int32) *window.Row {
	r, l := &by.row, &p.rows[at]
	data := p.data[l.at:]
	r.PartitionID, r.Offset, r.Time, r.LogTime = f.partition, l.offset, l.time, featurestore.LogTime(l.time)+featurestore.LogTime(l.lag)
	if l.lag == farLag {
		r.LogTime, data = featurestore.LogTime(binary.LittleEndian.Uint64(data)), data[8:]
	}
	wide := int(at) * f.wide
	for i, scalar := range f.bits {
		if scalar {
			r.Inputs[i] = featurestore.ScalarValue(featurestore.Kind(data[0]), binary.LittleEndian.Uint64(data[1:]))
			data = data[bitsBytes:]
		} else {
			r.Inputs[i] = p.values[wide]
			wide++
		}
	}
	if f.full {
		more := &p.more[at]
		r.Sequence, r.ID, r.Change, r.Mutated = more.sequence, more.id, more.change, more.mutated
	}
	return r
}

// keyAt is the key of a row: it ends where the data of the next one begin.
func (f *foldBuffers) keyAt(p *lanePart, at int) []byte {
	begin, end := int(p.rows[at].at)+(len(f.bits)-f.wide)*bitsBytes, len(p.data)
	if p.rows[at].lag == farLag {
		begin += 8
	}
	if at+1 < len(p.rows) {
		end = int(p.rows[at+1].at)
	}
	return p.data[begin:end]
}

// touch reads of all rows of an entity ahead: they lie far from each other, and the
// memory gives many at once sooner than one after the other.
func (by *hand) touch(p *lanePart, w *work) {
	for at := w.first; at >= 0; at = p.next[at] {
		if data := p.data[p.rows[at].at:]; len(data) > 0 {
			by.touched += data[0]
		}
	}
}
