//go:build unix

package main

import (
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/ingest/logrecord"
)

const (
	eventBytes = 185                // of one JSON event
	eventKeys  = 100_000            // users
	outOfOrder = 100                // one event in so many comes late
	lateBy     = 600_000            // by up to so many milliseconds
	streamSpan = 180 * 3_600 * 1000 // of log times, in milliseconds: seven and a half days
	maxAmount  = 20_000             // cents
	zipfPower  = 1.1
)

// stream is the events of a run, by number; they are the same for each side. Log
// times ascend evenly over the span; event times are log times, but for those
// that come late.
type stream struct {
	base    int64 // milliseconds of the first log time
	span    int64
	users   []int32
	late    []int32 // milliseconds
	amounts []int32
}

// newStream draws n events. zipf draws users by a power law, else all are alike.
func newStream(n int, zipf bool, base time.Time) *stream {
	s := &stream{base: base.UnixMilli(), span: streamSpan, users: make([]int32, n), late: make([]int32, n), amounts: make([]int32, n)}
	r := rand.New(rand.NewPCG(20_26, uint64(n)))
	draw := func() int32 { return int32(r.IntN(eventKeys)) }
	if zipf {
		z := newZipf(eventKeys)
		draw = func() int32 { return z.draw(r) }
	}
	for i := range n {
		s.users[i] = draw()
		s.amounts[i] = int32(r.IntN(maxAmount))
		if r.IntN(outOfOrder) == 0 {
			s.late[i] = int32(r.IntN(lateBy))
		}
	}
	return s
}

func (s *stream) len() int { return len(s.users) }

// logTime is the log time of an event in milliseconds.
func (s *stream) logTime(i int) int64 { return s.base + s.span*int64(i)/int64(len(s.users)) }

// eventTime is its event time in milliseconds.
func (s *stream) eventTime(i int) int64 { return s.logTime(i) - int64(s.late[i]) }

// record makes the log's record of an event; value is memory to write it into.
func (s *stream) record(i int, value []byte) logrecord.Record {
	e := eventFields{user: s.users[i], amount: s.amounts[i], at: s.eventTime(i)}
	return logrecord.Record{LogTime: featurestore.LogTime(s.logTime(i) * 1000), Value: e.appendJSON(value)}
}

type eventFields struct {
	user, amount int32
	at           int64  // milliseconds
	when         []byte // the same as text, where it is made already
}

// appendJSON writes the event in exactly eventBytes.
func (e *eventFields) appendJSON(b []byte) []byte {
	start := len(b)
	b = append(b, `{"user_id":"`...)
	b = appendUser(b, e.user)
	b = append(b, `","amount":`...)
	b = strconv.AppendInt(b, int64(e.amount), 10)
	b = append(b, `,"event_time":"`...)
	if e.when != nil {
		b = append(b, e.when...)
	} else {
		b = appendTime(b, e.at)
	}
	b = append(b, `","channel":"`...)
	b = append(b, channels[int(e.user)%len(channels)]...)
	b = append(b, `","returning":true,"device":"phone","session":"`...)
	const tail = `"}`
	session := sessions[int(e.amount)&15][:]
	b = append(b, session[:eventBytes-len(tail)-(len(b)-start)]...)
	return append(b, tail...)
}

// sessions are the texts that events are filled up with.
var sessions = func() (out [16][eventBytes]byte) {
	for n := range out {
		for i := range out[n] {
			out[n][i] = "0123456789abcdef"[(i*7+n)&15]
		}
	}
	return out
}()

// appendTime writes a time in milliseconds as RFC 3339 has it.
func appendTime(b []byte, ms int64) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
}

var channels = []string{"web", "shop", "phone", "partner"}

func appendUser(b []byte, user int32) []byte {
	b = append(b, 'u')
	for div := int32(1_000_000); div > 0; div /= 10 {
		b = append(b, byte('0'+user/div%10))
	}
	return b
}

// userKeys are the entity keys of all users, by number.
func userKeys() [][]byte {
	types := []featurestore.Type{featurestore.String}
	keys := make([][]byte, eventKeys)
	for i := range keys {
		key, err := codec.AppendKey(nil, types, []featurestore.Value{featurestore.StringValue(string(appendUser(nil, int32(i))))})
		if err != nil {
			panic(err) // short texts are keys
		}
		keys[i] = key
	}
	return keys
}

// partitionOf is the partition that a producer sends a user's events to.
func partitionOf(user int32, partitions int) int {
	return int(uint32(user)*2_654_435_761>>7) % partitions
}

// zipf draws ranks by a power law: rank k has a weight of 1/k^power.
type zipf struct{ sums []float64 }

func newZipf(n int) *zipf {
	z := &zipf{sums: make([]float64, n)}
	sum := 0.0
	for k := range n {
		sum += math.Pow(float64(k+1), -zipfPower)
		z.sums[k] = sum
	}
	return z
}

// draw gives a user: ranks are spread over the numbers of users.
func (z *zipf) draw(r *rand.Rand) int32 {
	x := r.Float64() * z.sums[len(z.sums)-1]
	rank := sort.SearchFloat64s(z.sums, x)
	return int32(min(rank, eventKeys-1) * 7919 % eventKeys)
}
