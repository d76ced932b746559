// Package schema knows what producers' schemas say: Avro schemas and Protobuf
// messages, parsed into small trees that name what stands on the wire, and the
// rules by which that can be read as a declared field. Definitions are checked by
// the same rules by which records are decoded.
//
// It reads no file, no record and no registry.
package schema

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
)

// Kind is the meaning of what stands on the wire.
type Kind uint8

// The kinds. Integer to Date are scalars.
const (
	Null Kind = iota
	Boolean
	Integer  // signed, of 64 bits at most
	Unsigned // of 64 bits
	Double   // of 32 or 64 bits
	Text
	Bytes
	Enum    // one of some symbols
	Decimal // two's complement bytes, scaled
	Instant // a count since 1970, UTC
	Local   // a count since 1970 on a clock whose zone is not said
	Date    // days since 1970
	List
	Map // with keys of text
	Record
	Union
)

var kindNames = [...]string{
	"null", "a boolean", "an integer", "an unsigned integer", "a floating point number", "text", "bytes", "an enum", "a decimal",
	"a timestamp", "a local timestamp", "a date", "an array", "a map", "a record", "a union",
}

// String names the kind in messages: "an integer".
func (k Kind) String() string { return kindNames[k] }

// Unit is what a timestamp counts.
type Unit uint8

// Units of timestamps.
const (
	Millis Unit = iota
	Micros
	Nanos
)

// Shape is a value's kind with what its meaning needs besides.
type Shape struct {
	Kind     Kind
	Unit     Unit // of Instant and Local
	Scale    int  // of Decimal
	Numbered bool // of Enum: its numbers are part of the contract (Protobuf)
}

// Times is the form in which a source declares its times.
type Times struct {
	Counted bool // a number of a unit, not text
	Native  bool // the schema's own timestamps only
	Zoned   bool // a zone is declared for times without one
}

// Readable says why a scalar cannot be read as a type, nil where it can. A value
// may still be out of the type's range.
func (s Shape) Readable(t featurestore.Type, times Times) error {
	ok := false
	switch t.Kind {
	case featurestore.KindBool:
		ok = s.Kind == Boolean
	case featurestore.KindInt64:
		ok = s.Kind == Integer || s.Kind == Unsigned || s.Kind == Enum && s.Numbered
	case featurestore.KindDouble:
		ok = s.Kind == Double || s.Kind == Integer || s.Kind == Unsigned
	case featurestore.KindString:
		ok = s.Kind == Text || s.Kind == Enum
	case featurestore.KindBytes:
		ok = s.Kind == Bytes
	case featurestore.KindTimestamp:
		return s.instant(times)
	case featurestore.KindDecimal:
		ok = s.Kind == Decimal || s.Kind == Integer || s.Kind == Text
	}
	if !ok {
		return fmt.Errorf("it is %s, which is not read as %s", s.Kind, t)
	}
	return nil
}

// instant is Readable for times: a schema's own timestamps are taken beside any
// declared form, numbers and text where they are what is declared.
func (s Shape) instant(times Times) error {
	switch s.Kind {
	case Instant:
		return nil
	case Local, Date:
		if !times.Zoned {
			return fmt.Errorf("it is %s: declare the zone of it", s.Kind)
		}
		return nil
	case Integer:
		if !times.Counted {
			return fmt.Errorf("it is an integer: declare what it counts, with format: unix_s, unix_ms or unix_us")
		}
		return nil
	case Text:
		if times.Counted || times.Native {
			return fmt.Errorf("it is text: declare its form, with format: rfc3339 or layout")
		}
		return nil
	}
	return fmt.Errorf("it is %s, which is not read as a timestamp", s.Kind)
}
