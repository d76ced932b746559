package decode

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// keyField reads the field that records are keyed by from a record's key. It is
// asked only where the value does not have the field: a value's own is the
// producer's word, a key may have been made by a partitioner.
func (d *Decoder) keyField(t *text, key []byte) (featurestore.Value, error) {
	f := &d.source.Fields[d.source.Key]
	bad := func(why string) error {
		return &Error{Code: CodeKey, Field: f.Name, Message: fmt.Sprintf("the record's key %s %s", shown(key, f.PII), why)}
	}
	switch form := d.source.KeyForm; {
	case form == definition.KeyInt64:
		if len(key) != 8 {
			return featurestore.Null, bad("is not eight bytes")
		}
		return featurestore.Int64Value(int64(binary.BigEndian.Uint64(key))), nil
	case form == definition.KeyInt32:
		if len(key) != 4 {
			return featurestore.Null, bad("is not four bytes")
		}
		return featurestore.Int64Value(int64(int32(binary.BigEndian.Uint32(key)))), nil
	case f.Type.Kind == featurestore.KindInt64:
		n, err := parseInt64(key)
		if err != nil {
			return featurestore.Null, bad(fmt.Sprintf("is not an int64: %v", err))
		}
		return featurestore.Int64Value(n), nil
	case f.Type.Kind == featurestore.KindBytes:
		return featurestore.BytesValue(t.put(key)), nil
	}
	if !utf8.Valid(key) {
		return featurestore.Null, bad("is not valid UTF-8")
	}
	return featurestore.StringValue(t.put(key)), nil
}
