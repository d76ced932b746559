package history

import (
	"math"
	"slices"

	"github.com/parquet-go/parquet-go/encoding"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/offline/columnfile"
)

const (
	// dictionaryBytes is where a dictionary of texts costs more than it saves.
	dictionaryBytes = 1 << 20

	// A page has so many bytes, about: rowBytes of each row, and the texts.
	pageBytes = 256 << 10
	rowBytes  = 12
	keptBytes = 4 * pageBytes // of a page that was larger no memory is kept

	// pieceRows are added to a page at once, fewer where texts are long.
	pieceRows = 1024
)

// content is what a column has in some rows.
type content struct {
	kind  encoding.Kind
	valid []bool     // of each row whether it has a value; nil is all
	piece int        // rows that are added at once
	fill  func(span) // appends the values of rows to the page; none of them is null
}

// pages makes the pages of one column after the other. It is for one goroutine, and
// keeps its memory: that of a few pages, and of a dictionary with the places in it.
type pages struct {
	buffers *columnfile.Buffers
	rests   *rests
	page    columnfile.Page

	ints    []int64
	int32s  []int32
	doubles []float64
	bits    []byte // of booleans, eight in each
	bools   int
	texts   []byte
	ends    []uint32 // of each text, behind a 0

	dictionary columnfile.Dictionary
	places     []int32 // of a column's texts
}

// writeSystem writes a column that stands before the fields. These are required.
func (p *pages) writeSystem(to *columnfile.Column, b *buffer, rows []span, column int, partition int32) error {
	kind := encoding.Int64
	fill := func(s span) { p.ints = appendInts(p.ints, b.Mutated()[s.from:s.to]) }
	switch column {
	case 0:
		fill = func(s span) { p.ints = appendInts(p.ints, b.Times()[s.from:s.to]) }
	case 1:
		fill = func(s span) { p.ints = appendInts(p.ints, b.LogTimes()[s.from:s.to]) }
	case 2:
		kind, fill = encoding.Int32, func(s span) {
			for range s.to - s.from {
				p.int32s = append(p.int32s, partition)
			}
		}
	case 3:
		fill = func(s span) { p.ints = append(p.ints, b.Offsets()[s.from:s.to]...) }
	case 4:
		kind, fill = encoding.Boolean, func(s span) {
			for _, late := range b.late[s.from:s.to] {
				p.addBool(late)
			}
		}
	case 5:
		kind, fill = encoding.Int32, func(s span) {
			for _, change := range b.Changes()[s.from:s.to] {
				p.int32s = append(p.int32s, int32(change))
			}
		}
	}
	return p.write(to, rows, content{kind, nil, pieceRows, fill})
}

// writeField writes a field's column. These are optional.
func (p *pages) writeField(to *columnfile.Column, c *columnar.Column, rows []span) error {
	kind := encoding.Int64
	fill := func(s span) { p.ints = appendInts(p.ints, c.BitsOf(s.from, s.to)) }
	switch c.Kind() {
	case featurestore.KindInt64, featurestore.KindTimestamp, featurestore.KindDecimal:
	case featurestore.KindBool:
		kind, fill = encoding.Boolean, func(s span) {
			for _, bits := range c.BitsOf(s.from, s.to) {
				p.addBool(bits != 0)
			}
		}
	case featurestore.KindDouble:
		kind, fill = encoding.Double, func(s span) {
			for _, bits := range c.BitsOf(s.from, s.to) {
				p.doubles = append(p.doubles, math.Float64frombits(bits))
			}
		}
	default:
		return p.writeTexts(to, c, rows)
	}
	return p.write(to, rows, content{kind, c.Valid(), pieceRows, fill})
}

// writeTexts writes texts by a dictionary, where the column is to have one and it
// does not get too large.
func (p *pages) writeTexts(to *columnfile.Column, c *columnar.Column, rows []span) error {
	if to.HasDictionary() {
		if p.look(c, rows) {
			if err := to.Dictionary(&p.dictionary); err != nil {
				return err
			}
			places := p.places
			return p.write(to, rows, content{encoding.Int32, c.Valid(), pieceRows, func(s span) {
				n := s.to - s.from
				p.int32s, places = append(p.int32s, places[:n]...), places[n:]
			}})
		}
		to.Plain()
	}
	return p.write(to, rows, content{encoding.ByteArray, c.Valid(), textPiece(c, rows), func(s span) {
		texts, ends, start := c.TextsOf(s.from, s.to)
		shift := len(p.texts) - start
		p.texts = append(p.texts, texts...)
		for _, end := range ends {
			p.ends = append(p.ends, uint32(end+shift))
		}
	}})
}

// textPiece is how many rows have about the text of a page.
func textPiece(c *columnar.Column, rows []span) int {
	n, bytes := 0, 1
	for _, s := range rows {
		texts, _, _ := c.TextsOf(s.from, s.to)
		n, bytes = n+s.to-s.from, bytes+len(texts)
	}
	return max(1, min(pieceRows, n*pageBytes/bytes))
}

// look finds the places of a column's texts in a dictionary; false where that gets
// too large.
func (p *pages) look(c *columnar.Column, rows []span) bool {
	p.dictionary.Reset()
	p.places = p.places[:0]
	valid := c.Valid()
	for _, s := range rows {
		for row := s.from; row < s.to; row++ {
			if !valid[row] {
				continue
			}
			p.places = append(p.places, p.dictionary.Place(c.Text(row)))
			if p.dictionary.Bytes() > dictionaryBytes {
				return false
			}
		}
	}
	return true
}

// write writes rows of a column page by page.
func (p *pages) write(to *columnfile.Column, rows []span, of content) error {
	p.reset()
	for s := range pieces(rows, of.piece) {
		p.page.Rows += s.to - s.from
		if of.valid == nil {
			of.fill(s)
		} else {
			p.fillValid(of.valid, s, of.fill)
		}
		if p.page.Rows*rowBytes+len(p.texts) >= pageBytes {
			if err := p.flush(to, of.kind); err != nil {
				return err
			}
		}
	}
	if p.page.Rows == 0 {
		return nil
	}
	return p.flush(to, of.kind)
}

// fillValid fills by the runs of rows that are not null, and says which are.
func (p *pages) fillValid(valid []bool, s span, fill func(span)) {
	for from := s.from; from < s.to; {
		is, to := valid[from], s.to
		if n := slices.Index(valid[from:s.to], !is); n >= 0 {
			to = from + n
		}
		at := len(p.page.Levels)
		p.page.Levels = slices.Grow(p.page.Levels, to-from)[:at+to-from]
		levels := p.page.Levels[at:]
		if is {
			for i := range levels {
				levels[i] = 1
			}
			fill(span{from, to})
		} else {
			clear(levels)
		}
		from = to
	}
}

func (p *pages) flush(to *columnfile.Column, kind encoding.Kind) error {
	switch kind {
	case encoding.Boolean:
		p.page.Values = encoding.BooleanValues(p.bits)
	case encoding.Int32:
		p.page.Values = encoding.Int32Values(p.int32s)
	case encoding.Double:
		p.page.Values = encoding.DoubleValues(p.doubles)
	case encoding.ByteArray:
		p.page.Values = encoding.ByteArrayValues(p.texts, p.ends)
	default:
		p.page.Values = encoding.Int64Values(p.ints)
	}
	err, rows := to.Write(&p.page), p.page.Rows
	p.reset()
	p.rests.after(rows)
	return err
}

func (p *pages) reset() {
	if cap(p.texts) > keptBytes {
		p.texts = nil
	}
	p.page = columnfile.Page{Levels: p.page.Levels[:0]}
	p.ints, p.int32s, p.doubles = p.ints[:0], p.int32s[:0], p.doubles[:0]
	p.bits, p.bools, p.texts, p.ends = p.bits[:0], 0, p.texts[:0], append(p.ends[:0], 0)
}

func (p *pages) addBool(v bool) {
	if p.bools%8 == 0 {
		p.bits = append(p.bits, 0)
	}
	if v {
		p.bits[p.bools/8] |= 1 << (p.bools % 8)
	}
	p.bools++
}

func appendInts[T ~int64 | ~uint64](dst []int64, values []T) []int64 {
	n := len(dst)
	dst = slices.Grow(dst, len(values))[:n+len(values)]
	for i, v := range values {
		dst[n+i] = int64(v)
	}
	return dst
}
