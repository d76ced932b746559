//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	servingv1 "github.com/freshet/freshet/serving/api/v1"
)

// b6 is freshness: how long after an event was due a lookup shows it.
func b6(ctx context.Context, o *options) (rows []row, err error) {
	s, err := startServices(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, s.stop()) }()
	f := &freshness{o: o, s: s}
	for i, rate := range o.freshnessRates() {
		more, err := f.rate(ctx, fmt.Sprintf("freshness-%d", i), rate)
		if err != nil {
			return rows, fmt.Errorf("%.0f events/s: %w", rate, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// freshnessRates are those that were asked for, or those of the benchmark.
func (o *options) freshnessRates() []float64 {
	if len(o.rates) > 0 {
		return o.rates
	}
	list := []float64{1_000, 10_000, 100_000}
	if r, ok := rateOfB5(".bench/B5.json"); ok {
		return append(list, r*0.8)
	}
	fmt.Fprintln(os.Stderr, "B6: .bench/B5.json has no rate: 80 % of it is left out (make bench-B5)")
	return list
}

// rateOfB5 is the rate that B5 measured last.
func rateOfB5(path string) (float64, bool) {
	var r report
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &r) != nil {
		return 0, false
	}
	for _, x := range r.Rows {
		if x.Case == "uniform, events/s" {
			return x.Ours, true
		}
	}
	return 0, false
}

// warmUp is how long both ways carry events before they are measured, at least: the
// broker compiles itself while it works, and takes a processor for that.
const warmUp = time.Minute

// probeEvery is one in how many events is a probe.
const probeEvery = 200

type freshness struct {
	o *options
	s *services
}

// rate measures one rate: the floor and ours in turn.
func (f *freshness) rate(ctx context.Context, topic string, rate float64) (rows []row, err error) {
	if err := f.s.topic(ctx, topic, f.o.partitions); err != nil {
		return nil, err
	}
	if err := f.s.wipe(ctx); err != nil {
		return nil, err
	}
	us, admin, err := f.ingester(ctx, topic)
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, us.stop()) }()
	server, err := startChild(f.o.freshetd, "-C", us.dir, "serve")
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, server.stop()) }()
	lookup, err := dialServer(ctx, server)
	if err != nil {
		return nil, err
	}
	relayed, err := startRelay(ctx, f.s, topic+relaySuffix, f.o.partitions)
	if err != nil {
		return nil, err
	}
	defer func() { err = first(err, relayed.stop()) }()
	ours, floorSide, bare := f.sides(topic, lookup, &floor{redis: f.s.redis})
	ours.consumer, floorSide.consumer, bare.consumer = us.process, us.process, relayed
	sides := []*side{ours, floorSide, bare}
	p := &pace{rate: rate, length: f.o.slice, partitions: f.o.partitions, probeEvery: probeEvery}
	warm := *p
	warm.length = max(warmUp, p.length)
	for _, x := range []*side{ours, bare} {
		if _, err := x.measure(ctx, &warm); err != nil {
			return nil, err
		}
	}
	profiled := make(chan error, 1)
	if f.o.profile == "" {
		profiled <- nil
	} else {
		query := fmt.Sprintf("profile?seconds=%d", int(f.o.slice.Seconds()))
		go func() { profiled <- writeProfile(ctx, admin, query, beside(f.o.profile, topic)) }()
	}
	for i := range max(1, f.o.pairs) {
		order := slices.Clone(sides)
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, x := range order {
			cost := &costs{s: f.s, consumer: x.consumer, server: server}
			d, err := cost.of(ctx, func() (*delays, error) { return x.measure(ctx, p) })
			if err != nil {
				return nil, fmt.Errorf("%s: %w", x.name, err)
			}
			x.delays = append(x.delays, d)
			fmt.Fprintf(os.Stderr, "%.0f events/s, %s: p50 %.1f ms, p99 %.1f ms of %d probes; of one core%s\n", rate, x.name, d.quantile(0.5), d.quantile(0.99), d.n, cost)
		}
	}
	rows = append(freshnessRows(rate, ours, floorSide), freshnessRows(rate, ours, bare)...)
	if rate == 100_000 {
		rows = append(rows, ours.limit(rate, 25))
	}
	return rows, <-profiled
}

// sides are ours and what it is measured against: the floor, and a bare consumer.
func (f *freshness) sides(topic string, lookup *lookups, store *floor) (ours, floorSide, bare *side) {
	feed := func(topic string) *producer {
		return newProducer(f.s, topic, f.o.partitions, func(int, int64, []due) {})
	}
	ours = &side{name: "ours", send: feed(topic).send, prober: newProber(lookup.counts)}
	floorSide = &side{name: "SET and GET", send: store.send, prober: newProber(store.counts)}
	bare = &side{name: "Kafka, SET and GET", send: feed(topic + relaySuffix).send, prober: newProber(store.relayed)}
	return ours, floorSide, bare
}

// side is one way from an event to a lookup.
type side struct {
	name string
	send func(context.Context, int, []due) error
	*prober
	consumer *child // whose processor time counts beside that of the others
	delays   []*delays
}

func (x *side) measure(ctx context.Context, p *pace) (*delays, error) {
	return x.prober.measure(ctx, p, x.send)
}

// limit is the row of an absolute limit of p99.
func (x *side) limit(rate, ms float64) row {
	var all []float64
	for _, d := range x.delays {
		all = append(all, d.quantile(0.99))
	}
	return limited(quantileName("p99", rate), "ms", median(all), slices.Max(all), ms)
}

func quantileName(quantile string, rate float64) string {
	return fmt.Sprintf("%s until a lookup shows an event, at %.0f events/s", quantile, rate)
}

// ingester is one that has started, and where it gives profiles if those are wanted.
func (f *freshness) ingester(ctx context.Context, topic string) (us *ingester, admin string, err error) {
	if f.o.profile != "" {
		if admin, err = freeAddress(); err != nil {
			return nil, "", err
		}
	}
	f.s.admin = admin
	if us, err = newIngester(ctx, f.s, topic); err != nil {
		return nil, "", err
	}
	if err := us.start(f.o.freshetd); err != nil {
		return nil, "", err
	}
	if admin == "" {
		return us, "", nil
	}
	f.s.admin = "" // the server that is started next has none
	return us, admin, first(writeProfile(ctx, admin, "cmdline", os.DevNull), us.settings())
}

func freshnessRows(rate float64, ours, theirs *side) []row {
	var rows []row
	for _, q := range []struct {
		name string
		q    float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		var a, b, ratios []float64
		for i := range ours.delays {
			x, y := ours.delays[i].quantile(q.q), theirs.delays[i].quantile(q.q)
			a, b, ratios = append(a, x), append(b, y), append(ratios, y/x)
		}
		rows = append(rows, row{
			Case: quantileName(q.name, rate), Opponent: theirs.name, Ours: median(a), Theirs: median(b), Unit: "ms",
			Ratio: median(ratios), WorstPair: slices.Min(ratios), Target: 1.0 / 3, Met: median(ratios) >= 1.0/3,
		})
	}
	return rows
}

// prober knows which probes are under way, and looks for them.
type prober struct {
	show func(ctx context.Context, users []int32) ([]int64, error) // how many events a lookup shows of each

	mu   sync.Mutex
	seen []int64 // by probe user, over all runs
	sent []int64
	open []probe
	end  bool
}

func newProber(show func(context.Context, []int32) ([]int64, error)) *prober {
	return &prober{seen: make([]int64, probeUsers), sent: make([]int64, probeUsers), show: show}
}

type probe struct {
	user int32
	want int64
	due  time.Time
}

// probePatience is how long a probe may take before the run counts as failed.
const probePatience = time.Minute

func (x *prober) measure(ctx context.Context, p *pace, send func(context.Context, int, []due) error) (*delays, error) {
	ctx, cancel := context.WithTimeout(ctx, p.length+probePatience)
	defer cancel()
	x.open, x.end = nil, false
	out := &delays{}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := p.run(ctx, func(ctx context.Context, partition int, list []due) error {
			x.due(list)
			return send(ctx, partition, list)
		})
		x.mu.Lock()
		defer x.mu.Unlock()
		x.end = true
		return err
	})
	group.Go(func() error { return x.look(ctx, lookEvery(p.rate), out) })
	return out, group.Wait()
}

// due notes the probes that are about to be sent.
func (x *prober) due(list []due) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range list {
		for _, user := range list[i].probes {
			n := user - eventKeys
			x.sent[n]++
			x.open = append(x.open, probe{user, x.sent[n], list[i].at})
		}
	}
}

// mostProbes is how many probes one lookup asks for, those first that were due first. To
// ask for all that are open is a load that grows with the delay; who has to wait until
// others are seen counts as later than it is, and never as sooner: there are more lookups
// a second than a sixteenth of the probes.
const mostProbes = 16

// lookEvery is how often probes are asked for: at a high rate some are open all the time,
// and to ask without a pause would take a quarter of a processor. A probe counts as later
// than it is by as much.
func lookEvery(rate float64) time.Duration {
	if rate > 10_000 {
		return 2 * time.Millisecond
	}
	return 500 * time.Microsecond
}

// look asks for the open probes again and again; the clock of one stops when the
// answer is there that shows it.
func (x *prober) look(ctx context.Context, every time.Duration, out *delays) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		x.mu.Lock()
		var users []int32
		for _, p := range x.open[:min(len(x.open), mostProbes)] {
			users = append(users, p.user)
		}
		ended := x.end && len(x.open) == 0
		x.mu.Unlock()
		if ended {
			return nil
		}
		if len(users) == 0 {
			continue
		}
		counts, err := x.show(ctx, users)
		if err != nil {
			return err
		}
		now := time.Now()
		x.mu.Lock()
		left := x.open[:0]
		for i, p := range x.open {
			if i < len(counts) && counts[i] >= p.want {
				out.add(now.Sub(p.due), 1)
				continue
			}
			left = append(left, p)
		}
		x.open = left
		x.mu.Unlock()
	}
}

// lookups asks our server.
type lookups struct {
	client servingv1.FeatureServiceClient
}

var servingAt = regexp.MustCompile(`address=(\S+)`)

// dialServer waits until the server says where it answers.
func dialServer(ctx context.Context, c *child) (*lookups, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if m := servingAt.FindStringSubmatch(c.said()); m != nil {
			conn, err := grpc.NewClient(m[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
			return &lookups{client: servingv1.NewFeatureServiceClient(conn)}, err
		}
		if err := first(c.gone(), ctx.Err()); err != nil {
			return nil, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (l *lookups) counts(ctx context.Context, users []int32) ([]int64, error) {
	names := make([]string, len(users))
	for i, user := range users {
		names[i] = string(appendUser(nil, user))
	}
	answer, err := l.client.GetFeatures(ctx, &servingv1.GetFeaturesRequest{
		Features: []string{viewName + ".count_1h"},
		Entities: map[string]*servingv1.InputColumn{"user_id": {Values: &servingv1.Values{Kind: &servingv1.Values_Strings{Strings: &servingv1.StringValues{Values: names}}}}},
	})
	if err != nil {
		return nil, err
	}
	return answer.GetColumns()[0].GetValues().GetInt64S().GetValues(), nil
}
