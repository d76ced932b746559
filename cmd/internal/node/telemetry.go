package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/freshet/freshet/cmd/internal/telemetry"
	"github.com/freshet/freshet/featurestore/offline"
	"github.com/freshet/freshet/ingest/worker"
	"github.com/freshet/freshet/serving/predlog"
)

// defaultSample is the share of traces that begin in this process, where the
// settings name none.
const defaultSample = 0.01

// observe makes metrics and, where the settings want them, traces.
func (n *Node) observe(ctx context.Context, o Options) error {
	p, b := n.Parts, n.Backend
	if t := p.Settings.Traces; t.OTLP != "" {
		c := telemetry.TraceConfig{Endpoint: t.OTLP, Sample: t.Sample, Service: "freshet." + p.Settings.Project, Version: o.Version}
		if c.Sample == 0 {
			c.Sample = defaultSample
		}
		var err error
		if c.TLS, err = t.TLS.Config("traces.tls"); err != nil {
			return err
		}
		if n.tracer, err = telemetry.NewTracer(ctx, c); err != nil {
			return err
		}
		b.Carry = n.tracer.Inject
	}
	n.metrics = telemetry.NewMetrics(o.Version, p.Clock.Now, n.tracer)
	n.metrics.Watch(telemetry.Parts{
		Now: p.Clock.Now, Catalog: b.Catalog, State: p.stateOf, Damaged: b.damage.count,
		Worker:      func() *worker.Worker { return n.Worker },
		Partitions:  func() []worker.PartitionStatus { return p.partitions(b.Catalog(), n.Worker, p.asksLog()) },
		Generations: n.measuredGenerations, Archives: n.measuredArchives, Upkeep: func() *telemetry.Upkeep { return n.upkeep.stats() },
		Canary: n.canaryStatus, Store: func() (ok, known bool) {
			wrong, asked := n.look.says()
			return wrong == "", asked
		},
		Predictions: func() *predlog.Stats {
			if b.Predlog == nil {
				return nil
			}
			s := b.Predlog.Stats()
			return &s
		},
	})
	return nil
}

// measureWithin bounds how long metrics wait for a store.
const measureWithin = 5 * time.Second

func (n *Node) measuredGenerations() []telemetry.Generation {
	ctx, cancel := context.WithTimeout(context.Background(), measureWithin)
	defer cancel()
	list, err := n.Parts.generations(ctx, n.Worker)
	if err != nil {
		n.Parts.Logger.Warn("the generations could not be measured", "error", err)
	}
	var out []telemetry.Generation
	for i := range list {
		g := telemetry.Generation{View: list[i].View, Number: list[i].Generation, State: list[i].State}
		if f := list[i].Fill; f != nil {
			g.Filling, g.Records, g.Of, g.PerSecond = true, f.Records, f.Of, f.PerSecond
			if f.Reread != nil {
				g.Rereading, g.Reread, g.RereadOf = true, f.Reread.Rows, f.Reread.Of
			}
		}
		out = append(out, g)
	}
	return out
}

func (n *Node) measuredArchives() []telemetry.Archive {
	list, err := Archives(n.Parts.Settings)
	if err != nil {
		n.Parts.Logger.Warn("the archives could not be measured", "error", err)
	}
	var out []telemetry.Archive
	for i := range list {
		s := &list[i]
		if s.Trouble != "" {
			continue // the ingester says it, too
		}
		a := telemetry.Archive{Source: s.Source, Files: s.Files, Bytes: s.Bytes, Rows: s.Rows, Holes: s.Holes, DroppedRows: s.DroppedRows, Next: map[offline.Partition]int64{}}
		for _, p := range s.Partitions {
			if n := len(p.Complete); n > 0 {
				a.Next[offline.Partition{Generation: p.Generation, Partition: p.Partition}] = p.Complete[n-1].To
			}
		}
		out = append(out, a)
	}
	return out
}

// startAdmin opens the operators' address, where the settings name one.
func (n *Node) startAdmin(o Options) error {
	addr := n.Parts.Settings.Admin.Listen
	if addr == "" {
		return nil
	}
	var err error
	n.Admin, err = telemetry.StartAdmin(addr, telemetry.AdminConfig{
		Metrics: n.metrics.Handler(), Version: o.Version, Live: n.live, Ready: n.ready,
		Status: n.Backend.Status,
	})
	if err == nil {
		n.Parts.Logger.Info("metrics and health", "address", n.Admin.Addr())
	}
	return err
}

// live fails once the ingester of this process has ended.
func (n *Node) live() error {
	if n.Worker == nil {
		return nil
	}
	select {
	case <-n.Worker.Done():
		return fmt.Errorf("the ingester has stopped: %w", n.Worker.Err())
	default:
		return nil
	}
}

// ready fails while something keeps this process from its work, and names it.
func (n *Node) ready(ctx context.Context) error {
	problems := []error{n.live(), n.Backend.Ready(ctx)}
	if n.Worker != nil {
		var waits []string
		for _, s := range n.Worker.Progress().Statuses() {
			if s.Trouble != "" {
				waits = append(waits, fmt.Sprintf("source %s partition %d: %s", s.Partition.Source, s.Partition.Number, s.Trouble))
			}
		}
		if s := n.Worker.Progress().StoreTrouble(); s != "" {
			waits = append(waits, "the online store: "+s)
		}
		if len(waits) > 0 {
			problems = append(problems, errors.New(strings.Join(waits, "; ")))
		}
	}
	return errors.Join(problems...)
}
