package decode

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// usual is how a member's value usually looks, such that it can be read without
// a look at anything else.
type usual uint8

const (
	notUsual     usual = iota // is read the long way
	usualText                 // a string without escapes
	usualInteger              // few digits
	usualDouble
	usualBool
	usualTime
	usualSkip // any of these, or null, of a name that is not declared
)

// usualOf is the usual look of a slot's values.
func (d *Decoder) usualOf(slot int) usual {
	kind := d.slots[slot].typ.Kind
	if slot == d.timeSlot && kind != featurestore.KindTimestamp {
		return notUsual // it is read twice
	}
	switch kind {
	case featurestore.KindString:
		return usualText
	case featurestore.KindInt64:
		return usualInteger
	case featurestore.KindDouble:
		return usualDouble
	case featurestore.KindBool:
		return usualBool
	case featurestore.KindTimestamp:
		return usualTime
	}
	return notUsual
}

// setUsual tells the members of a tree how their values usually look.
func (d *Decoder) setUsual(n *node) {
	for i := range n.members {
		switch m := &n.members[i]; {
		case m.child != nil:
			d.setUsual(m.child)
		case m.slot >= 0:
			m.usual = d.usualOf(m.slot)
		}
	}
}

// usual reads members of an object, from place i on, for as long as the names
// stand where they stood before and the values have their usual look. It gives
// the place of the first member that it does not take, and whether the object
// ended. It finds no fault: what it does not take, it leaves whole to members,
// which reads all of JSON, and says what is wrong with the rest. Both give the
// same values; FuzzUsual holds them to it.
//
// The position is kept in a register, which is what makes it fast.
func (r *objectReader) usual(n *node, i int) (next int, ended bool) {
	b, pos := r.b, r.pos
	for ; i < len(n.places); i++ {
		p := &n.places[i]
		if pos < len(b) && b[pos] == ' ' {
			pos++
		}
		at := pos + len(p.quoted)
		if !p.stands(b, pos) || at >= len(b) {
			break
		}
		if p.mark >= len(r.seen) || r.seen[p.mark] {
			break
		}
		at = r.usualValue(p, at)
		if at < 0 || at >= len(b) || b[at] != ',' && b[at] != '}' {
			break
		}
		r.seen[p.mark] = true
		pos = at + 1
		if b[at] == '}' {
			r.pos = pos
			return i + 1, true
		}
	}
	r.pos = pos
	return i, false
}

// usualValue reads the value at a byte, and gives the byte behind it; -1 where it
// does not have its usual look.
func (r *objectReader) usualValue(p *place, at int) int {
	b := r.b
	if b[at] == ' ' && at+1 < len(b) {
		at++
	}
	if b[at] == 'n' && p.usual != notUsual {
		return wordEnd(b, at, "null")
	}
	switch p.usual {
	case usualText:
		end := usualString(b, at)
		if end >= 0 {
			r.image.row[p.slot] = featurestore.StringValue(r.text.put(b[at+1 : end-1]))
		}
		return end
	case usualInteger:
		d, end := fewDigitsAt(b, at)
		if end < 0 || d.point {
			return -1
		}
		r.image.row[p.slot] = featurestore.Int64Value(d.integer())
		return end
	case usualDouble:
		d, end := fewDigitsAt(b, at)
		if end >= 0 {
			r.image.row[p.slot] = featurestore.DoubleValue(d.double())
		}
		return end
	case usualBool:
		is := b[at] == 't'
		end := usualWord(b, at)
		if end >= 0 {
			r.image.row[p.slot] = featurestore.BoolValue(is)
		}
		return end
	case usualTime:
		return r.usualTime(p.slot, at)
	case usualSkip:
		switch b[at] {
		case '"':
			return usualString(b, at)
		case 't', 'f':
			return usualWord(b, at)
		}
		_, end := fewDigitsAt(b, at)
		return end
	}
	return -1
}

// usualTime reads a time of the usual form of RFC 3339, or a count of few digits.
func (r *objectReader) usualTime(slot, at int) int {
	var t featurestore.Instant
	end := -1
	switch {
	case r.times.format == definition.FormatRFC3339:
		if end = usualString(r.b, at); end < 0 {
			return -1
		}
		var ok bool
		if t, ok = r.times.fast(r.b[at+1 : end-1]); !ok || t < featurestore.MinInstant || t > featurestore.MaxInstant {
			return -1
		}
	case !r.times.isText():
		var d fewDigits
		if d, end = fewDigitsAt(r.b, at); end < 0 || d.point {
			return -1
		}
		var err error
		if t, err = r.times.count(d.integer()); err != nil {
			return -1
		}
	}
	if end < 0 {
		return -1
	}
	r.image.row[slot] = featurestore.TimestampValue(t)
	if slot == r.d.timeSlot {
		r.image.when, r.image.timed = t, true
	}
	return end
}

// usualString gives the byte behind a string without escapes.
func usualString(b []byte, at int) int {
	if at < 0 || at >= len(b) || b[at] != '"' {
		return -1
	}
	end := at + 1
	w, ok := wordAt(b, end) // most strings are short
	if n := plainBytes(w); ok && n < 8 {
		end += n
	} else {
		end = plainEnd(b, end)
	}
	if end >= len(b) || b[end] != '"' {
		return -1
	}
	return end + 1
}

// usualWord gives the byte behind true or false.
func usualWord(b []byte, at int) int {
	if b[at] == 't' {
		return wordEnd(b, at, "true")
	}
	return wordEnd(b, at, "false")
}

func wordEnd(b []byte, at int, word string) int {
	end := at + len(word)
	if end > len(b) || string(b[at:end]) != word {
		return -1
	}
	return end
}
