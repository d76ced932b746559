package columnfile

import (
	"bytes"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
	"github.com/zeebo/xxh3"
)

// Dictionary gives texts their places, in the order in which they come.
type Dictionary struct {
	texts []byte
	ends  []uint32 // of each text, behind a 0
	slots []slot   // a power of two of them, at least a half free
	page  uint32   // which page is being bounded
	seen  []uint32 // in which page each text was seen last
}

// slot is where a text stands that has such a hash; at 0 is none.
type slot struct {
	hash uint32
	at   int32 // counted from 1
}

// leastSlots is a power of two.
const leastSlots = 1 << 10

// Reset empties it and keeps its memory, but for that of very long texts.
func (d *Dictionary) Reset() {
	if cap(d.texts) > 2*keptBytes {
		d.texts = nil
	}
	d.texts, d.ends, d.seen, d.page = d.texts[:0], append(d.ends[:0], 0), d.seen[:0], 0
	if d.slots == nil {
		d.slots = make([]slot, leastSlots)
	}
	clear(d.slots)
}

// Len is how many texts there are.
func (d *Dictionary) Len() int { return len(d.ends) - 1 }

// Bytes is how long they are together.
func (d *Dictionary) Bytes() int { return len(d.texts) }

func (d *Dictionary) text(i int32) []byte { return d.texts[d.ends[i]:d.ends[i+1]] }

// Place is the place of a text, which is copied when it is new. Texts are to stay
// below 4 GiB together.
func (d *Dictionary) Place(text []byte) int32 {
	h := xxh3.Hash(text)
	mask := len(d.slots) - 1
	i := int(h>>32) & mask
	for ; d.slots[i].at != 0; i = (i + 1) & mask {
		if s := d.slots[i]; s.hash == uint32(h) && bytes.Equal(d.text(s.at-1), text) {
			return s.at - 1
		}
	}
	at := int32(d.Len())
	d.texts = append(d.texts, text...)
	d.ends, d.seen = append(d.ends, uint32(len(d.texts))), append(d.seen, 0)
	d.slots[i] = slot{uint32(h), at + 1}
	if 2*d.Len() > len(d.slots) {
		d.grow()
	}
	return at
}

func (d *Dictionary) grow() {
	d.slots = make([]slot, 2*len(d.slots))
	mask := len(d.slots) - 1
	for at := range int32(d.Len()) {
		h := xxh3.Hash(d.text(at))
		i := int(h>>32) & mask
		for d.slots[i].at != 0 {
			i = (i + 1) & mask
		}
		d.slots[i] = slot{uint32(h), at + 1}
	}
}

func (d *Dictionary) values() encoding.Values { return encoding.ByteArrayValues(d.texts, d.ends) }

// bounds are the least and the greatest text of some places. Each is compared once.
func (d *Dictionary) bounds(places []int32) (lower, upper parquet.Value, ok bool) {
	if len(places) == 0 {
		return lower, upper, false
	}
	d.page++
	least, greatest := d.text(places[0]), d.text(places[0])
	for _, at := range places {
		if d.seen[at] == d.page {
			continue
		}
		d.seen[at] = d.page
		text := d.text(at)
		if bytes.Compare(text, least) < 0 {
			least = text
		}
		if bytes.Compare(text, greatest) > 0 {
			greatest = text
		}
	}
	return parquet.ByteArrayValue(least), parquet.ByteArrayValue(greatest), true
}
