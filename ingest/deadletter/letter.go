// Package deadletter keeps the records that did not become events: where they
// stood, why they were refused, and their bytes as they came. A folder of JSON
// lines holds them, once for each position however often a log is read again and
// by whom.
//
// It decides nothing: what is a bad record is the decoder's, when there are too
// many is the ingester's.
package deadletter

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// DeadLetter is one refused record. Key, Value and Headers are the record's own
// bytes, nil kept apart from empty; they may hold personal data and belong in no
// log line.
type DeadLetter struct {
	Source     string
	Generation uint32
	Partition  int32
	Offset     int64
	LogTime    featurestore.LogTime
	Code       string // a decode.Code
	Message    string
	Key, Value []byte
	Headers    logrecord.Headers
}

// Of makes a dead letter of a record, with copies of its bytes. Code and
// Message are the caller's to fill in.
func Of(source string, generation uint32, rec *logrecord.Record) DeadLetter {
	return DeadLetter{
		Source: source, Generation: generation, Partition: rec.Partition, Offset: rec.Offset, LogTime: rec.LogTime,
		Key: bytes.Clone(rec.Key), Value: bytes.Clone(rec.Value), Headers: logrecord.Headers(bytes.Clone(rec.Headers)),
	}
}

// position names a record; a letter is kept once for each.
type position struct {
	source     string
	generation uint32
	partition  int32
	offset     int64
}

func (l *DeadLetter) position() position {
	return position{l.Source, l.Generation, l.Partition, l.Offset}
}

// version is the form of a line.
const version = 1

// line is the JSON form of a letter, version 1: byte strings are base64, null
// is nil, log_time is microseconds since 1970 (time is the same for people).
type line struct {
	Version    int      `json:"v"`
	Source     string   `json:"source"`
	Generation uint32   `json:"generation"`
	Partition  int32    `json:"partition"`
	Offset     int64    `json:"offset"`
	LogTime    int64    `json:"log_time"`
	Time       string   `json:"time"`
	Code       string   `json:"code"`
	Message    string   `json:"message"`
	Key        []byte   `json:"key"`
	Value      []byte   `json:"value"`
	Headers    []header `json:"headers,omitempty"`
}

type header struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

func appendLine(dst []byte, l *DeadLetter) ([]byte, error) {
	out := line{
		Version: version, Source: l.Source, Generation: l.Generation, Partition: l.Partition, Offset: l.Offset,
		LogTime: int64(l.LogTime), Time: l.LogTime.String(), Code: l.Code, Message: l.Message, Key: l.Key, Value: l.Value,
	}
	for k, v := range l.Headers.All() {
		out.Headers = append(out.Headers, header{[]byte(k), v})
	}
	b, err := json.Marshal(&out)
	if err != nil {
		return dst, err
	}
	return append(append(dst, b...), '\n'), nil
}

func parseLine(b []byte) (DeadLetter, error) {
	var in line
	if err := json.Unmarshal(b, &in); err != nil {
		return DeadLetter{}, fmt.Errorf("not a dead letter: %w", err)
	}
	if in.Version != version {
		return DeadLetter{}, fmt.Errorf("a dead letter of version %d; this program reads %d", in.Version, version)
	}
	l := DeadLetter{
		Source: in.Source, Generation: in.Generation, Partition: in.Partition, Offset: in.Offset,
		LogTime: featurestore.LogTime(in.LogTime), Code: in.Code, Message: in.Message, Key: in.Key, Value: in.Value,
	}
	for _, h := range in.Headers {
		l.Headers = l.Headers.Append(string(h.Key), h.Value)
	}
	return l, nil
}
