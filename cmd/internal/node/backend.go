package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/ingest/decode"
	"github.com/freshet/freshet/ingest/logrecord"
	"github.com/freshet/freshet/serving/predlog"
	"github.com/freshet/freshet/serving/rpc"
	"github.com/freshet/freshet/serving/service"
	"github.com/freshet/freshet/serving/watch"
)

// Backend answers the API from the parts of this process. It is safe for
// concurrent use.
type Backend struct {
	Clock   *Clock
	Store   online.Store
	Watcher *watch.Watcher
	Log     logrecord.Log   // nil: events are not taken here
	Predlog *predlog.Logger // nil: predictions are not logged
	Report  func() Status
	Logger  *slog.Logger // nil: damaged entities are counted only

	// Carry gives the headers by which a request's trace goes on; nil for none.
	Carry func(ctx context.Context, set func(key, value string))

	// Generations says where each is in its life; nil where nobody asks for it.
	Generations func(context.Context) ([]GenerationStatus, error)

	// Gate holds lookups while a step of a replay is applied: they run between
	// steps. Nil where there is no replay.
	Gate *Gate

	damage damageLog
}

// Gate is closed while a step of a replay is under way.
type Gate struct {
	mu     sync.RWMutex
	replay bool // a replay runs: events from outside are refused
}

var _ rpc.Backend = (*Backend)(nil)

// Catalog implements rpc.Backend.
func (b *Backend) Catalog() *service.Catalog { return b.Watcher.Catalog() }

// Get implements rpc.Backend.
func (b *Backend) Get(ctx context.Context, plan *service.Compiled, req *service.Request) (*service.Answer, error) {
	if b.Gate != nil {
		b.Gate.mu.RLock()
		defer b.Gate.mu.RUnlock()
	}
	return b.get(ctx, plan, req)
}

func (b *Backend) get(ctx context.Context, plan *service.Compiled, req *service.Request) (*service.Answer, error) {
	answer, err := b.Catalog().Lookup(ctx, b.Store, plan, req, b.Clock.Now())
	if err != nil {
		return nil, err
	}
	if len(answer.Damaged) > 0 {
		b.damage.met(b.Logger, answer.Damaged)
	}
	if b.Predlog != nil && plan.Spec.Log != nil {
		b.Predlog.Log(plan, req, answer, b.Clock.Now())
	}
	return answer, nil
}

// LogPrediction implements rpc.Backend.
func (b *Backend) LogPrediction(_ context.Context, p rpc.Prediction) error {
	if b.Predlog == nil {
		return featurestore.Invalidf("predictions are not logged by this process")
	}
	out := predlog.Prediction{RequestID: p.RequestID, Row: p.Row, Model: p.Model, Time: b.Clock.Now()}
	for _, o := range p.Outputs {
		out.Outputs = append(out.Outputs, predlog.Output{Name: o.Name, Value: o.Value})
	}
	return b.Predlog.LogPrediction(out)
}

// WriteEvents implements rpc.Backend: it decodes each event as the ingester
// will, and produces those that decode, in their order.
func (b *Backend) WriteEvents(ctx context.Context, name string, events [][]byte) ([]rpc.Rejected, error) {
	if b.Log == nil {
		return nil, featurestore.Unavailablef("this process has no log: send events to one that runs the ingester")
	}
	if b.Gate != nil {
		b.Gate.mu.RLock()
		defer b.Gate.mu.RUnlock()
		if b.Gate.replay {
			return nil, featurestore.Unavailablef("a replay is running and owns the clock: push again when it has ended")
		}
	}
	source, err := b.source(name)
	if err != nil {
		return nil, err
	}
	var headers logrecord.Headers
	if b.Carry != nil {
		b.Carry(ctx, func(key, value string) { headers = headers.Append(key, []byte(value)) })
	}
	return WriteEvents(ctx, b.Log, source, events, Stamp{Time: b.Clock.Now(), Headers: headers})
}

func (b *Backend) source(name string) (*definition.StreamSource, error) {
	c := b.Catalog()
	if c == nil {
		return nil, featurestore.Unavailablef("nothing is applied yet: run `freshet apply`")
	}
	if s := c.Project.StreamSource(name); s != nil {
		return s, nil
	}
	return nil, &service.NameError{Code: "UNKNOWN_SOURCE", Message: fmt.Sprintf("there is no stream source %q", name)}
}

// Stamp is what all records of a call of WriteEvents have: their log time, and
// headers beside their own.
type Stamp struct {
	Time    featurestore.Instant
	Headers logrecord.Headers
}

// WriteEvents sends JSON events of a source through a log.
// They are spread over the partitions by their bytes: a repeated event meets itself.
func WriteEvents(ctx context.Context, log logrecord.Log, source *definition.StreamSource, events [][]byte, s Stamp) ([]rpc.Rejected, error) {
	partitions, err := log.Partitions(ctx, source.Topic)
	if err != nil {
		return nil, err
	}
	d, err := decode.New(source, decode.Options{})
	if err != nil {
		return nil, err
	}
	var rejected []rpc.Rejected
	records := make([][]logrecord.Record, partitions)
	var batch decode.Batch
	for i, e := range events {
		rec := d.Pushed(e, featurestore.LogTime(s.Time.Floor(featurestore.Millisecond)))
		if err := d.Append(&batch, &rec, featurestore.PartitionID{}); err != nil {
			rejected = append(rejected, rpc.Rejected{Index: i, Reason: rejection(err)})
			continue
		}
		at := int(logrecord.Fingerprint(&rec) % uint64(partitions))
		rec.Headers = append(rec.Headers, s.Headers...)
		records[at] = append(records[at], rec)
	}
	for at, list := range records {
		if len(list) == 0 {
			continue
		}
		if _, err := log.Produce(ctx, source.Topic, int32(at), list); err != nil {
			return nil, err
		}
	}
	return rejected, nil
}

func rejection(err error) string {
	var bad *decode.Error
	if errors.As(err, &bad) {
		return string(bad.Code) + ": " + bad.Error()
	}
	return err.Error()
}

// Status implements rpc.Backend.
func (b *Backend) Status(ctx context.Context) ([]byte, error) {
	if b.Report == nil {
		return nil, featurestore.Unavailablef("this process has no status")
	}
	ctx, cancel := context.WithTimeout(ctx, statusWithin)
	defer cancel()
	var list []GenerationStatus
	var unlisted error
	var group sync.WaitGroup
	if b.Generations != nil {
		group.Go(func() { list, unlisted = b.Generations(ctx) })
	}
	s := b.Report()
	group.Wait()
	s.DamagedReads = b.damage.count()
	trouble := b.Watcher.Trouble()
	if s.Generations = list; unlisted != nil {
		s.Registry = unlisted.Error()
	} else if trouble != nil && !errors.As(trouble, new(*watch.StoreError)) {
		s.Registry = trouble.Error()
	}
	s.nameStore(trouble)
	return json.Marshal(s)
}

// nameStore says that the online store does not answer, where it does not; trouble is
// why the last picture of the views is not of now.
func (s *Status) nameStore(trouble error) {
	says := ""
	if errors.As(trouble, new(*watch.StoreError)) {
		says = "what the views are is not known since it last answered: " + trouble.Error()
	}
	for i := range s.Generations {
		if err := s.Generations[i].store; err != nil { // the picture is not old enough for anybody to know
			says = cmp.Or(says, err.Error())
		}
	}
	if says != "" {
		for i := range s.Views {
			s.Views[i].unanswered()
		}
	}
	if s.heldUp { // what it said of the store, it said before
		s.Store = ""
		says = cmp.Or(says, "the ingester of this process is held up, as by a store that does not answer")
	}
	if s.Store != "" && says != "" { // a store that does not answer had these settings
		says += "; before: " + s.Store
	}
	s.Store = cmp.Or(says, s.Store)
}

// Ready implements rpc.Backend.
func (b *Backend) Ready(context.Context) error {
	if b.Catalog() == nil {
		return errors.New("nothing is applied yet")
	}
	return nil
}
