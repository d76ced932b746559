// Package predlog records what was served, off the hot path: a lookup hands over
// pointers to a bounded queue; one goroutine encodes them and writes them ahead
// (with the operating system within milliseconds of the answer), another seals
// what was written into Parquet. The form at rest is featurestore/predictions.
//
// Laws: a lookup never waits for the log and never fails by it; what is not
// logged is counted; what was written once stands in the log once, whatever
// ended the process and wherever.
package predlog

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/offline/atomicfile"
	"github.com/freshet/freshet/featurestore/predictions"
	"github.com/freshet/freshet/serving/service"
)

// Options are the settings of a logger. Zero values take the defaults.
type Options struct {
	Dir       string          // the offline folder
	QueueRows int             // rows that may wait for the disk; 0 is 20,000
	SealRows  int             // rows of a segment before it is sealed; 0 is 50,000
	SealBytes int64           // bytes of a segment before it is sealed; 0 is 64 MiB
	SealAfter time.Duration   // age of a segment at which it is sealed; 0 is 10 minutes
	Disk      atomicfile.Disk // what a sealed file survives; the zero one survives a power loss
}

func (o *Options) defaults() {
	if o.QueueRows <= 0 {
		o.QueueRows = 20_000
	}
	if o.SealRows <= 0 {
		o.SealRows = 50_000
	}
	if o.SealBytes <= 0 {
		o.SealBytes = 64 << 20
	}
	if o.SealAfter <= 0 {
		o.SealAfter = 10 * time.Minute
	}
}

// Logger writes the prediction log of one process. It is safe for concurrent
// use. Several processes may log into one folder.
type Logger struct {
	o       Options
	session *session

	queue  chan entry
	queued atomic.Int64 // rows that are not yet with the operating system
	closed atomic.Bool
	stats  counters

	flush       chan chan error
	stop        chan struct{}
	writerEnded chan struct{}

	closedThrough atomic.Int64 // segments up to this number are whole
	jobs          chan chan<- error
	stopSeal      chan struct{}
	sealerEnded   chan struct{}

	once     sync.Once
	closeErr error
}

// entry is one thing to log: a lookup, or a model's outputs. What it points at
// is immutable from here on.
type entry struct {
	plan       *service.Compiled
	request    *service.Request
	answer     *service.Answer
	at         featurestore.Instant
	prediction *predictions.Prediction
}

func (e *entry) rows() int64 {
	if e.prediction != nil {
		return 1
	}
	return int64(e.request.Rows)
}

// Open seals what ended processes left and starts the logger. A disk error while
// sealing them is counted, not returned: the log must not keep lookups away.
func Open(o Options) (*Logger, error) { return open(o, createSegment) }

func open(o Options, create createFunc) (*Logger, error) {
	o.defaults()
	s, err := newSession(o.Dir, &o.Disk)
	if err != nil {
		return nil, featurestore.Unavailablef("the prediction log cannot be opened: %w", err)
	}
	l := &Logger{
		o: o, session: s,
		queue: make(chan entry, o.QueueRows),
		flush: make(chan chan error), stop: make(chan struct{}), writerEnded: make(chan struct{}),
		jobs: make(chan chan<- error, 1), stopSeal: make(chan struct{}), sealerEnded: make(chan struct{}),
	}
	recovered := l.recoverOthers()
	go newWriter(l, create).run()
	go l.sealing(recovered)
	return l, nil
}

// Log records an answer where its service says so and the request falls into the
// sample, which its id decides. It never blocks. Request and answer must not be
// changed afterwards: they are read later.
func (l *Logger) Log(plan *service.Compiled, req *service.Request, a *service.Answer, at featurestore.Instant) {
	if plan.Spec.Log == nil || !sampled(req.ID, *plan.Spec.Log) {
		return
	}
	l.put(entry{plan: plan, request: req, answer: a, at: at})
}

// sampled reports whether an id falls into a sample from 0 to 1: the same for
// all time, and for all rows of a request.
func sampled(id string, sample float64) bool {
	return float64(xxh3.HashString(id)>>11)/(1<<53) < sample
}

// Prediction is a model's outputs for one row of a request.
type Prediction struct {
	RequestID string
	Row       int32
	Model     string
	Time      featurestore.Instant
	Outputs   []Output
}

// Output is one named output: a bool, int64, double or string.
type Output struct {
	Name  string
	Value featurestore.Value
}

// LogPrediction records a model's outputs. It never blocks: ErrInvalid says what
// is wrong with the prediction, ErrUnavailable that the queue is full.
func (l *Logger) LogPrediction(p Prediction) error {
	stored := &predictions.Prediction{RequestID: p.RequestID, Row: int64(p.Row), Model: p.Model, LoggedAt: p.Time}
	for _, o := range p.Outputs {
		stored.Outputs = append(stored.Outputs, predictions.Output(o))
	}
	if err := predictions.CheckPrediction(stored); err != nil {
		return err
	}
	if !l.put(entry{prediction: stored}) {
		return featurestore.Unavailablef("the prediction log is not taking more now: send the prediction again")
	}
	return nil
}

// put queues an entry, or counts it as dropped. A request larger than the whole
// queue goes alone.
func (l *Logger) put(e entry) bool {
	rows := e.rows()
	n := l.queued.Add(rows)
	if (n <= int64(l.o.QueueRows) || n == rows) && !l.closed.Load() {
		select {
		case l.queue <- e:
			return true
		default:
		}
	}
	l.queued.Add(-rows)
	l.stats.dropped.Add(rows)
	return false
}

// errClosed is the answer of a logger that has ended.
var errClosed = errors.New("the prediction log is closed")

// Flush returns when all that was logged before it is sealed.
func (l *Logger) Flush() error {
	written := make(chan error, 1)
	select {
	case l.flush <- written:
	case <-l.writerEnded:
		return errClosed
	}
	if err := <-written; err != nil {
		return err
	}
	sealed := make(chan error, 1)
	select {
	case l.jobs <- sealed:
	case <-l.sealerEnded:
		return errClosed
	}
	select {
	case err := <-sealed:
		return err
	case <-l.sealerEnded: // Close seals what is left
		return errClosed
	}
}

// Close seals what was logged and ends the logger. It is idempotent.
func (l *Logger) Close() error {
	l.once.Do(func() {
		l.closed.Store(true)
		close(l.stop)
		<-l.writerEnded
		close(l.stopSeal)
		<-l.sealerEnded
		err := l.sealOwn()
		for len(l.queue) > 0 { // came in while the writer ended
			e := <-l.queue
			l.queued.Add(-e.rows())
			l.stats.dropped.Add(e.rows())
		}
		l.closeErr = errors.Join(err, l.stats.lostAtEnd(), l.session.end())
	})
	return l.closeErr
}
