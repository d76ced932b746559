// Package naive is the obvious design, for comparison: each entity's blob holds
// the last applied offset, a record counts where its offset is greater, the blob
// is written if it is greater, and the group's offset is committed after the
// write. It keeps two values a user: how many records, and the sum of n.
package naive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/freshet/freshet/cmd/internal/torture/plant"
	"github.com/freshet/freshet/ingest/logrecord"
)

// Config says what is read and where to.
type Config struct {
	Kafka  *plant.Kafka
	Redis  redis.UniversalClient
	Group  string
	Topics map[string]string // topic by source
}

// State is what stands for a user. Offsets are by source: with one offset over
// two topics nothing would come out right from the start.
type State struct {
	Offsets map[string]int64 `json:"offsets"`
	Count   int64            `json:"count"`
	Sum     int64            `json:"sum"`
}

// Consumer reads every partition. Start and Stop are of one caller.
type Consumer struct {
	c    Config
	stop context.CancelFunc
	wait sync.WaitGroup

	mu   sync.Mutex
	open map[string]int // partitions that are read, by source
}

// New does not run yet.
func New(c Config) *Consumer { return &Consumer{c: c} }

// write is "write if greater", for one source's offset.
const write = `local old = redis.call('GET', KEYS[1])
if old then
  local o = cjson.decode(old).offsets[ARGV[1]]
  if o and o >= tonumber(ARGV[2]) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3])
return 1`

// Start reads from the group's offsets on, and looks for new partitions.
func (x *Consumer) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	x.stop, x.open = cancel, map[string]int{}
	x.wait.Add(1)
	go func() {
		defer x.wait.Done()
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			x.look(ctx)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
}

// Stop ends it wherever it is, as SIGKILL would: between a write and a commit,
// too.
func (x *Consumer) Stop() {
	if x.stop != nil {
		x.stop()
		x.wait.Wait()
	}
}

func (x *Consumer) look(ctx context.Context) {
	for source, topic := range x.c.Topics {
		n, err := x.c.Kafka.Client.Partitions(ctx, topic)
		if err != nil {
			continue
		}
		x.mu.Lock()
		for p := x.open[source]; p < n; p++ {
			x.wait.Add(1)
			go func() {
				defer x.wait.Done()
				x.partition(ctx, source, topic, int32(p))
			}()
		}
		x.open[source] = max(x.open[source], n)
		x.mu.Unlock()
	}
}

// partition reads on, whatever happens: after an error it begins again at the
// group's offset, or where the log begins or ends if it does not hold that.
func (x *Consumer) partition(ctx context.Context, source, topic string, p int32) {
	for ctx.Err() == nil {
		if err := x.stream(ctx, source, topic, p); err != nil && ctx.Err() == nil {
			timer := time.NewTimer(100 * time.Millisecond)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
		}
	}
}

func (x *Consumer) stream(ctx context.Context, source, topic string, p int32) error {
	from, err := x.c.Kafka.Next(ctx, x.c.Group, topic, p)
	if err != nil {
		return err
	}
	bounds, err := x.c.Kafka.Client.Bounds(ctx, topic, p)
	if err != nil {
		return err
	}
	if from < bounds.Start || from > bounds.End {
		from = bounds.Start // auto.offset.reset=earliest
	}
	r, err := x.c.Kafka.Client.Open(ctx, topic, p, from)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // the next one reads anew
	for {
		b, err := r.Next(ctx)
		if err != nil {
			return err
		}
		err = x.apply(ctx, source, b.Records)
		next := b.Next
		b.Release()
		if err != nil {
			return err
		}
		if err := x.c.Kafka.Commit(ctx, x.c.Group, topic, p, next); err != nil {
			return err
		}
	}
}

// Key is where a user's blob stands.
func Key(group, user string) string { return "naive:" + group + ":" + user }

func (x *Consumer) apply(ctx context.Context, source string, records []logrecord.Record) error {
	states := map[string]*State{}
	for i := range records {
		var e struct {
			User *string `json:"user"`
			N    int64   `json:"n"`
			At   *int64  `json:"at"`
		}
		if json.Unmarshal(records[i].Value, &e) != nil || e.User == nil || e.At == nil {
			continue
		}
		s := states[*e.User]
		if s == nil {
			var err error
			if s, err = Read(ctx, x.c.Redis, x.c.Group, *e.User); err != nil {
				return err
			}
			states[*e.User] = s
		}
		if o, seen := s.Offsets[source]; seen && o >= records[i].Offset {
			continue
		}
		s.Count, s.Sum = s.Count+1, s.Sum+e.N
		s.Offsets[source] = records[i].Offset
	}
	for user, s := range states {
		blob, err := json.Marshal(s)
		if err != nil {
			return err
		}
		if err := x.c.Redis.Eval(ctx, write, []string{Key(x.c.Group, user)}, source, s.Offsets[source], blob).Err(); err != nil {
			return err
		}
	}
	return nil
}

// Read is a user's state; a new one where nothing stands.
func Read(ctx context.Context, c redis.UniversalClient, group, user string) (*State, error) {
	s := &State{Offsets: map[string]int64{}}
	blob, err := c.Get(ctx, Key(group, user)).Bytes()
	switch {
	case errors.Is(err, redis.Nil):
		return s, nil
	case err != nil:
		return nil, fmt.Errorf("the naive protocol's blob: %w", err)
	}
	return s, json.Unmarshal(blob, s)
}
