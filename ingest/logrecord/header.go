package logrecord

import (
	"encoding/binary"
	"errors"
	"iter"
)

// Headers are a record's headers in the form of Kafka's record format: for
// each, the key's length as a zigzag varint, the key, the value's length (-1 for
// null), the value. nil is none. Keeping them packed costs a record nothing
// where nobody looks at them.
type Headers []byte

var errHeaders = errors.New("malformed record headers")

// Append adds one header and returns the result; a nil value is kept apart from
// an empty one.
func (h Headers) Append(key string, value []byte) Headers {
	h = binary.AppendVarint(h, int64(len(key)))
	h = append(h, key...)
	if value == nil {
		return binary.AppendVarint(h, -1)
	}
	h = binary.AppendVarint(h, int64(len(value)))
	return append(h, value...)
}

// All gives the headers in order; values alias h.
func (h Headers) All() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for rest := h; len(rest) > 0; {
			key, value, next, err := rest.cut()
			if err != nil || !yield(string(key), value) {
				return
			}
			rest = next
		}
	}
}

// Get gives the value of the last header of that key, as Kafka's own clients
// do; it aliases h.
func (h Headers) Get(key string) (value []byte, found bool) {
	for rest := h; len(rest) > 0; {
		k, v, next, err := rest.cut()
		if err != nil {
			return nil, false
		}
		if string(k) == key {
			value, found = v, true
		}
		rest = next
	}
	return value, found
}

// Count is how many headers there are; an error says that h is not well formed.
func (h Headers) Count() (int, error) {
	n := 0
	for rest := h; len(rest) > 0; n++ {
		var err error
		if _, _, rest, err = rest.cut(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// cut takes the first header off.
func (h Headers) cut() (key, value []byte, rest Headers, err error) {
	key, rest, err = h.cutBytes()
	if err != nil || key == nil {
		return nil, nil, nil, errHeaders
	}
	value, rest, err = rest.cutBytes()
	return key, value, rest, err
}

func (h Headers) cutBytes() ([]byte, Headers, error) {
	n, w := binary.Varint(h)
	if w <= 0 || n < -1 || n > int64(len(h)-w) {
		return nil, nil, errHeaders
	}
	if n < 0 {
		return nil, h[w:], nil
	}
	end := w + int(n)
	return h[w:end:end], h[end:], nil
}
