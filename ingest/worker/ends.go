package worker

import (
	"slices"

	"github.com/freshet/freshet/featurestore"
)

// ends says up to which time nothing of a log is missing. Records of a transaction
// that is open lie before the log's end and are not given: what was appended up to the
// time of a fetch is all there once reading has come to where the log ended then, and
// not where what was committed ended.
type ends struct {
	seen []seenEnd // ascending by both
}

// seenEnd is where a log ended, committed or not, when a fetch was sent, at least.
type seenEnd struct {
	at   featurestore.Instant
	high int64
}

// mostEnds is how many are kept; of more, the times between are told less closely.
const mostEnds = 64

// saw notes the end that a fetch gave.
func (e *ends) saw(at featurestore.Instant, high int64) {
	for n := len(e.seen); n > 0 && e.seen[n-1].high >= high; n-- {
		e.seen = e.seen[:n-1]
	}
	e.seen = append(e.seen, seenEnd{at, high})
	if len(e.seen) > mostEnds {
		e.seen = slices.Delete(e.seen, mostEnds/2, mostEnds/2+1)
	}
}

// through is the time up to which all that was appended lies before an offset; 0 where
// that is not known.
func (e *ends) through(next int64) featurestore.Instant {
	behind := 0
	for behind < len(e.seen) && e.seen[behind].high <= next {
		behind++
	}
	if behind == 0 {
		return 0
	}
	e.seen = slices.Delete(e.seen, 0, behind-1)
	return e.seen[0].at
}
