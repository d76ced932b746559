package node_test

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/freshet/freshet/cmd/internal/node"
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/serving/service"
)

// flushUsers is how many entities there are, over many lanes: each has one sale more
// than the one before it.
const flushUsers = 40

// TestLookupsDuringAFlush: a store that is emptied while a server's picture of the lanes
// still says LIVE answers REBUILDING, and neither that entities are unknown nor the part of
// their values that is already made anew.
func TestLookupsDuringAFlush(t *testing.T) {
	redis, err := redistest.Start(t.Context(), redistest.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, redis.Stop)
	n, _ := openNode(t, []definition.File{{Path: "d.yaml", Data: []byte(salesDefinitions)}},
		fmt.Sprintf("project: shop\nonline: {redis: {addrs: [%q]}}\n", redis.Addr()))
	users := make([]featurestore.Value, flushUsers)
	var records []logrecord.Record
	for i := range users {
		user := fmt.Sprintf("user-%d", i)
		users[i] = featurestore.StringValue(user)
		for range i + 1 {
			records = append(records, logrecord.Record{LogTime: featurestore.LogTime(begin*1000 - 1000), Value: fmt.Appendf(nil, `{"user": %q, "amount": 1, "at": %d}`, user, begin-1)})
		}
	}
	waitFor(t, n, "sales", 0, produce(t, n, "sales", 0, records...))
	server := open(t, n.Parts, node.Serve)
	r := &flushReads{users: users}
	eventually(t, "right answers", func() bool { return r.whole(t, server) })

	for range 5 {
		before, done := r.rebuilding.Load(), make(chan struct{})
		var readers errgroup.Group
		for range 4 {
			readers.Go(func() error {
				var wrong error
				for {
					select {
					case <-done:
						return wrong
					default:
						wrong = cmp.Or(wrong, r.once(server))
					}
				}
			})
		}
		if err := redis.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "REBUILDING", func() bool { return r.rebuilding.Load() > before })
		eventually(t, "right answers again", func() bool { return r.whole(t, server) })
		close(done)
		if err := readers.Wait(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d cells as they are, %d REBUILDING", r.present.Load(), r.rebuilding.Load())
}

// flushReads looks all users up, and counts what is answered.
type flushReads struct {
	users               []featurestore.Value
	present, rebuilding atomic.Int64
}

func (r *flushReads) answer(n *node.Node) (*service.Answer, error) {
	plan, err := n.Backend.Catalog().Service("s")
	if err != nil {
		return nil, err
	}
	return n.Backend.Get(context.Background(), plan, &service.Request{Rows: len(r.users), Entities: [][]featurestore.Value{r.users}})
}

// once is an error where a cell is neither right nor REBUILDING.
func (r *flushReads) once(n *node.Node) error {
	a, err := r.answer(n)
	if err != nil {
		return err
	}
	for row, cell := range a.Columns[0].Cells {
		switch {
		case cell.Status == featurestore.Rebuilding:
			r.rebuilding.Add(1)
		case cell.Status == featurestore.Present && cell.Value.Int64() == int64(row+1):
			r.present.Add(1)
		default:
			return fmt.Errorf("user %d: %s %s, want %d or REBUILDING", row, cell.Status, cell.Value.Text(featurestore.Int64), row+1)
		}
	}
	return nil
}

// whole reports whether every user has all sales.
func (r *flushReads) whole(t *testing.T, n *node.Node) bool {
	t.Helper()
	a, err := r.answer(n)
	if err != nil {
		t.Fatal(err)
	}
	for row, cell := range a.Columns[0].Cells {
		if cell.Status != featurestore.Present || cell.Value.Int64() != int64(row+1) {
			return false
		}
	}
	return true
}
