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
	calls := make([]call, len(batches))
	for i := range batches {
		calls[i] = applyCall(&batches[i])
	}
	for i, cmd := range s.run(ctx, s.applyScript, calls) {
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

// applyCall lays a batch out as apply.lua reads it.
func applyCall(b *online.Batch) call {
	c := call{keys: make([]string, 0, 2+len(b.Writes)), args: make([]any, 0, 13+2*len(b.Writes))}
	c.keys = append(c.keys, string(b.Lane.AppendWatermarksKey(nil)), string(b.Lane.AppendMetaKey(nil)))
	c.args = append(c.args,
		b.Definition[:], b.Partition.AppendField(nil), online.AppendWatermarkHead(nil, b.From), online.AppendWatermarkHead(nil, -1),
		online.AppendWatermark(nil, b.To), milliseconds(b.TTL), len(b.Writes), 0, 0, 0, batchID(b.ID), batchID(b.After), b.Whole)
	renewing, from, to := &c.args[7], &c.args[8], &c.args[9]
	c.writes(b, false, true)
	*from = len(c.keys) - 2 + 1
	c.writes(b, false, false)
	*renewing = len(c.keys) - 2
	c.writes(b, true, false)
	*to = len(c.keys) - 2
	c.writes(b, true, true)
	for i := range b.Writes {
		c.closed(b.Lane, &b.Writes[i])
	}
	return c
}

// batchID is a batch's name as the lane keeps it; nothing where it has none.
func batchID(id uint64) []byte {
	if id == 0 {
		return nil
	}
	return binary.LittleEndian.AppendUint64(nil, id)
}

// writes adds the writes that keep their time to live, or do not, and of these those
// whose lists are known, or are not.
func (c *call) writes(b *online.Batch, keep, known bool) {
	var key []byte
	for i := range b.Writes {
		w := &b.Writes[i]
		if w.Keep != keep || w.Known != known {
			continue
		}
		key = b.Lane.AppendEntityKey(key[:0], w.Key)
		c.keys = append(c.keys, string(key))
		expect := w.Expect
		switch {
		case expect != nil && b.Whole:
			expect = append([]byte{'='}, expect...)
		case expect != nil && len(expect) == 0:
			expect = emptyBlob
		}
		c.args = append(c.args, expect, w.Blob)
	}
}

// closed adds the closed part of a write, where something becomes of it.
func (c *call) closed(l online.LaneID, w *online.Write) {
	if len(w.Blob) == 0 || w.Closed == nil && !w.Renew {
		return
	}
	c.keys = append(c.keys, string(l.AppendClosedKey(nil, w.Key)))
	switch {
	case w.Closed == nil:
		c.args = append(c.args, closedRenew)
	case len(w.Closed) == 0:
		c.args = append(c.args, closedRemove)
	case w.Keep:
		c.args = append(c.args, closedKeep, w.Closed)
	default:
		c.args = append(c.args, closedSet, w.Closed)
	}
}

// milliseconds writes a time to live as the scripts take it: 0 for none, and
// never 0 for a short one.
func milliseconds(ttl time.Duration) string {
	if ttl <= 0 {
		return "0"
	}
	return strconv.FormatInt(max(1, ttl.Milliseconds()), 10)
}
