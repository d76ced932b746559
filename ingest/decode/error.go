package decode

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Code says why a record is not an event. Codes stand in dead letters and
// metrics and do not change.
type Code string

// The codes. A code that begins with DECODE_ and the name of a format says that
// the record is not of that format. NullKey is for the ingester, which makes the keys.
const (
	CodeJSON       Code = "DECODE_JSON" // not one well-formed JSON object
	CodeCSV        Code = "DECODE_CSV"
	CodeAvro       Code = "DECODE_AVRO"
	CodeProtobuf   Code = "DECODE_PROTOBUF"
	CodeDebezium   Code = "DECODE_DEBEZIUM" // not a change of a row
	CodeType       Code = "DECODE_TYPE"     // a field is not of its declared type, or out of its range
	CodeDuplicate  Code = "DUPLICATE_FIELD" // a name stands twice in the object
	CodeUTF8       Code = "INVALID_UTF8"
	CodeTooDeep    Code = "TOO_DEEP"
	CodeTooLarge   Code = "TOO_LARGE"
	CodeEmpty      Code = "EMPTY" // no value: a tombstone, or no bytes
	CodeNoTime     Code = "NO_TIMESTAMP"
	CodeTimeNoZone Code = "TIME_NO_ZONE"
	CodeTime       Code = "TIME_INVALID"
	CodeAhead      Code = "AHEAD"
	CodeNullKey    Code = "NULL_KEY"
	CodeKey        Code = "DECODE_KEY"      // the record's key is not the field that it should hold
	CodeSchemaID   Code = "UNKNOWN_SCHEMA"  // the record names no schema, or one that the registry does not have
	CodeSchema     Code = "SCHEMA_MISMATCH" // the record's schema does not hold the declared fields
	CodeNoBefore   Code = "NO_BEFORE_IMAGE" // a change that does not say what the row was
	CodeTruncate   Code = "TRUNCATE"        // all rows of a table are gone; which they were is not said
	CodeHistory    Code = "HISTORY_ROW"     // a row of a history file that is no event; the message names it
)

// Error says why one record did not decode. Its text holds field names,
// positions and values, but no value of a field that is marked pii.
type Error struct {
	Code    Code
	Field   string // "" where it is about the record as a whole
	Message string
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Message
	}
	return fmt.Sprintf("field %q: %s", e.Field, e.Message)
}

// shown quotes a piece of a record for a message: cut when it is long, hidden
// when it is personal.
func shown(b []byte, pii bool) string {
	const most = 64
	if pii {
		return "the value (hidden: pii)"
	}
	if len(b) <= most {
		return strconv.Quote(string(b))
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(b[cut]) {
		cut--
	}
	return strconv.Quote(string(b[:cut])) + "..."
}
