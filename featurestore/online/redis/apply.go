package redis

import (
	"context"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
)

// Apply sends one script for each batch, all in one round trip on one
// connection, which keeps their order.
func (s *Store) Apply(ctx context.Context, batches []online.Batch) []online.Result {
	results := make([]online.Result, len(batches))
	if err := ctx.Err(); err != nil {
		for i := range results {
			results[i].Err = s.unavailable("applying", err)
		}
		return results
	}
	l := spareLines.Get().(*lines)
	defer l.free() // all answers are read
	for i := range batches {
		l.runs.calls = append(l.runs.calls, l.apply(&batches[i]))
	}
	for i, cmd := range s.runAll(ctx, s.applyScript, &l.runs) {
		results[i] = s.result(cmd)
	}
	return results
}

// result reads an answer; what is not one of the four, nor a refusal, is unknown.
func (s *Store) result(cmd *redis.Cmd) online.Result {
	n, err := cmd.Int()
	if err != nil && refusal(err) != "" {
		return online.Result{Outcome: online.OutcomeRefused, Err: s.unavailable("applying", err)}
	}
	if err != nil {
		return online.Result{Err: s.unavailable("applying", err)}
	}
	if n == followed {
		return online.Result{Outcome: online.OutcomeOK, Followed: true}
	}
	if o := online.Outcome(n); o >= online.OutcomeOK && o <= online.OutcomeDefinition {
		return online.Result{Outcome: o}
	}
	return online.Result{Err: featurestore.Unavailablef("redis %s: the apply script answered %d", s.name, n)}
}

// followed is the script's answer where all is well, and the lane's last batch was
// the one that this one follows.
const followed = 5

// What becomes of a closed part, as apply.lua reads it.
const (
	closedSet    = "s"
	closedRemove = "d"
	closedRenew  = "r"
	closedKeep   = "k"
)

// emptyBlob stands for an expected blob without bytes; no applied list is of one byte.
var emptyBlob = []byte{0}

// apply lays a batch out as apply.lua reads it.
func (l *lines) apply(b *online.Batch) command {
	start := l.begin(2 + len(b.Writes) + closedKeys(b))
	at := len(l.text)
	l.text = b.Lane.AppendWatermarksKey(l.text)
	l.keyText(at)
	at = len(l.text)
	l.text = b.Lane.AppendMetaKey(l.text)
	l.keyText(at)
	first := l.key
	counts := l.heads(b)
	l.writes(b, false, true)
	l.args[counts+1] = l.key - first + 1
	l.writes(b, false, false)
	l.args[counts] = l.key - first
	l.writes(b, true, false)
	l.args[counts+2] = l.key - first
	l.writes(b, true, true)
	for i := range b.Writes {
		l.closed(b.Lane, &b.Writes[i])
	}
	return l.end(start)
}

// heads adds what stands before the writes, and gives the place of the three counts
// that are known once these are laid out.
func (l *lines) heads(b *online.Batch) (counts int) {
	l.add(b.Definition[:])
	at := len(l.text)
	l.text = b.Partition.AppendField(l.text)
	l.addText(at)
	for _, offset := range [...]int64{b.From, -1} {
		at = len(l.text)
		l.text = online.AppendWatermarkHead(l.text, offset)
		l.addText(at)
	}
	at = len(l.text)
	l.text = online.AppendWatermark(l.text, b.To)
	l.addText(at)
	at = len(l.text)
	l.text = appendMilliseconds(l.text, b.TTL)
	l.addText(at)
	l.args = append(l.args, len(b.Writes))
	counts = len(l.args)
	l.args = append(l.args, 0, 0, 0)
	for _, id := range [...]uint64{b.ID, b.After} {
		at = len(l.text)
		if id != 0 {
			l.text = binary.LittleEndian.AppendUint64(l.text, id)
		}
		l.addText(at)
	}
	l.args = append(l.args, b.Whole)
	return counts
}

// writes adds the writes that keep their time to live, or do not, and of these those
// whose lists are known, or are not.
func (l *lines) writes(b *online.Batch, keep, known bool) {
	for i := range b.Writes {
		w := &b.Writes[i]
		if w.Keep != keep || w.Known != known {
			continue
		}
		at := len(l.text)
		l.text = b.Lane.AppendEntityKey(l.text, w.Key)
		l.keyText(at)
		switch {
		case w.Expect != nil && b.Whole:
			at = len(l.text)
			l.text = append(append(l.text, '='), w.Expect...)
			l.addText(at)
		case w.Expect != nil && len(w.Expect) == 0:
			l.add(emptyBlob)
		default:
			l.add(w.Expect)
		}
		l.add(w.Blob)
	}
}

// hasClosed reports whether something becomes of the closed part of a write.
func hasClosed(w *online.Write) bool { return len(w.Blob) > 0 && (w.Closed != nil || w.Renew) }

func closedKeys(b *online.Batch) (n int) {
	for i := range b.Writes {
		if hasClosed(&b.Writes[i]) {
			n++
		}
	}
	return n
}

// closed adds the closed part of a write, where something becomes of it.
func (l *lines) closed(id online.LaneID, w *online.Write) {
	if !hasClosed(w) {
		return
	}
	at := len(l.text)
	l.text = id.AppendClosedKey(l.text, w.Key)
	l.keyText(at)
	switch {
	case w.Closed == nil:
		l.args = append(l.args, closedRenew)
	case len(w.Closed) == 0:
		l.args = append(l.args, closedRemove)
	case w.Keep:
		l.args = append(l.args, closedKeep)
		l.add(w.Closed)
	default:
		l.args = append(l.args, closedSet)
		l.add(w.Closed)
	}
}

// appendMilliseconds writes a time to live as the scripts take it: 0 for none, and
// never 0 for a short one.
func appendMilliseconds(dst []byte, ttl time.Duration) []byte {
	if ttl <= 0 {
		return append(dst, '0')
	}
	return strconv.AppendInt(dst, max(1, ttl.Milliseconds()), 10)
}
