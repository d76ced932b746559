package worker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
)

// obliging is a store that holds nothing and accepts everything: what is left is
// the work of this process.
type obliging struct {
	online.Store
	meta online.Meta
}

func (s *obliging) Create(_ context.Context, _ online.Generation, m online.Meta) error {
	s.meta = m
	s.meta.State = online.StateLive
	return nil
}

func (s *obliging) Lanes(_ context.Context, _ online.Generation, lanes uint16) ([]online.Lane, error) {
	out := make([]online.Lane, lanes)
	for i := range out {
		out[i] = online.Lane{Meta: s.meta, Watermarks: map[online.Partition]online.Watermark{}}
	}
	return out, nil
}

func (s *obliging) Get(_ context.Context, ids []online.EntityID) ([]online.Parts, error) {
	return make([]online.Parts, len(ids)), nil
}

func (s *obliging) Evicted(context.Context) (bool, error) { return false, nil }

func (s *obliging) Apply(_ context.Context, batches []online.Batch) []online.Result {
	out := make([]online.Result, len(batches))
	for i := range out {
		out[i] = online.Result{Outcome: online.OutcomeOK, Followed: true}
	}
	return out
}

// paymentsView is the view of the stream benchmark (cmd/internal/bench).
func paymentsView(b *testing.B) *definition.StreamView {
	b.Helper()
	text := `kind: Entity
name: user
keys: [{name: user_id, type: string}]
---
kind: StreamSource
name: payments
kafka: {topic: payments}
format: json
timestamp: {field: event_time, format: rfc3339}
allowed_lateness: 10m
fields: {user_id: string, amount: int64, channel: string}
---
kind: StreamView
name: spending
entity: user
sources: [payments]
features:
`
	for _, w := range []string{"1h", "24h", "7d"} {
		text += fmt.Sprintf("  - {name: count_%s, agg: count, window: %s}\n", w, w)
		for _, f := range []string{"sum", "avg", "min", "max"} {
			text += fmt.Sprintf("  - {name: %s_%s, agg: %s(amount), window: %s}\n", f, w, f, w)
		}
	}
	project, problems := definition.Load([]definition.File{{Path: "spending.yaml", Data: []byte(text)}})
	if project == nil {
		b.Fatal(problems)
	}
	return project.StreamView("spending")
}

// payments makes chunks of events of 100,000 users, a week of which are three million.
type payments struct {
	r      *rand.Rand
	users  func() int
	source *definition.StreamSource
	offset int64
	events *columnar.Events
	names  []string
}

const (
	benchUsers = 100_000
	benchWeek  = 3_000_000 // events
)

func newPayments(source *definition.StreamSource, zipf bool) *payments {
	p := &payments{r: rand.New(rand.NewPCG(1, 2)), source: source, events: columnar.New(source), names: make([]string, benchUsers)}
	for i := range p.names {
		p.names[i] = fmt.Sprintf("user-%07d", i)
	}
	p.users = func() int { return p.r.IntN(benchUsers) }
	if zipf {
		z := rand.NewZipf(p.r, 1.1, 1, benchUsers-1)
		p.users = func() int { return int(z.Uint64()) }
	}
	return p
}

func (p *payments) chunk(b *testing.B, n int) *Chunk {
	b.Helper()
	p.events.Reset()
	from := p.offset
	for range n {
		at := featurestore.EventTime(base) + featurestore.EventTime(float64(p.offset)/benchWeek*7*24*3600*micros)
		ev := featurestore.Event{Position: featurestore.Position{Offset: p.offset}, Time: at, LogTime: featurestore.LogTime(at), Fields: []featurestore.Value{
			featurestore.StringValue(p.names[p.users()]), featurestore.Int64Value(p.r.Int64N(1000)), featurestore.StringValue("web"),
		}}
		if err := p.events.Append(&ev); err != nil {
			b.Fatal(err)
		}
		p.offset++
	}
	last := featurestore.LogTime(p.events.LogTimes()[n-1])
	return &Chunk{Partition: online.Partition{Source: "payments"}, From: from, Events: p.events, Through: p.offset - 1, LogTime: last}
}

// BenchmarkApply folds chunks of 100,000 entities that are cached, which have a week
// of events, by size of the chunk: the ingester's own part of an apply.
func BenchmarkApply(b *testing.B) {
	for _, keys := range []string{"uniform", "zipf"} {
		for _, n := range []int{1_000, 20_000, mostOfChunk} {
			b.Run(fmt.Sprintf("%s/%d", keys, n), func(b *testing.B) { benchmarkApply(b, keys == "zipf", n) })
		}
	}
}

// openPayments opens a view with an empty cache.
func openPayments(b *testing.B) *View {
	b.Helper()
	v, err := OpenView(b.Context(), ViewConfig{View: paymentsView(b), ID: generation, Lanes: online.DefaultLanes, Store: &obliging{}, CacheBytes: defaultCacheBytes})
	if err != nil {
		b.Fatal(err)
	}
	return v
}

// BenchmarkApplyFirst folds the first chunk of a process, all of whose entities are new.
func BenchmarkApplyFirst(b *testing.B) {
	for range b.N {
		b.StopTimer()
		v := openPayments(b)
		c := newPayments(v.view.Bindings[0].Source, false).chunk(b, mostOfChunk)
		b.StartTimer()
		if err := v.Apply(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*mostOfChunk), "ns/event")
}

func benchmarkApply(b *testing.B, zipf bool, n int) {
	v := openPayments(b)
	events := newPayments(v.view.Bindings[0].Source, zipf)
	for range benchWeek / mostOfChunk {
		if err := v.Apply(b.Context(), events.chunk(b, mostOfChunk)); err != nil {
			b.Fatal(err)
		}
	}
	before := v.Counts()
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		c := events.chunk(b, n)
		b.StartTimer()
		if err := v.Apply(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if got := v.Counts().Folded - before.Folded; got != int64(b.N*n) {
		b.Fatalf("%d of %d events were folded", got, b.N*n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
}
