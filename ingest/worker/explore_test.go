package worker

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/ingest/decode"
)

var (
	exploreSchedules = flag.Int("explore.schedules", 0, "how many schedules to explore; 0: as many as fit into a test")
	exploreSeed      = flag.Uint64("explore.seed", 1, "the first schedule's seed")
	exploreShrink    = flag.Duration("explore.shrink", 20*time.Second, "how long to make a schedule that fails smaller")
)

var exploreWithout = flag.String("explore.without", "", "the rule of the protocol that is left out")

// without reports whether a rule is left out: mutants ask.
func without(rule string) bool { return *exploreWithout == rule }

const lanesOfSchedules = 3

// played is what became of a schedule.
type played struct {
	reason  string // "" where all went well
	choices []uint16
	checked int
	excused bool
}

// explorer plays one schedule after the other, with memory that it keeps.
type explorer struct {
	project  *definition.Project
	decoders []*decode.Decoder
	batch    decode.Batch
	spare    spareChunks
}

func newExplorer(t testing.TB, project *definition.Project) *explorer {
	t.Helper()
	e := &explorer{project: project, spare: spareChunks{}}
	for _, b := range project.StreamViews[0].Bindings {
		d, err := decode.New(b.Source, decode.Options{})
		ok(t, err)
		e.decoders = append(e.decoders, d)
	}
	return e
}

// play runs a schedule; out, where it is not nil, is told each step.
func (e *explorer) play(t *tape, out io.Writer) (end played) {
	var w *world
	defer func() {
		end.choices = t.drawn
		if w != nil {
			end.checked, end.excused = w.checked, w.excused
		}
		switch r := recover().(type) {
		case nil:
		case violation:
			end.reason = r.reason
		default:
			end.reason = fmt.Sprintf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	w = newWorld(t, e, out)
	for range 20 + t.n(130) {
		w.step()
	}
	w.settle()
	w.verify()
	return end
}

// exploring is a search through many schedules.
type exploring struct {
	t         *testing.T
	project   *definition.Project
	schedules int
	first     uint64

	next, checked, excused atomic.Int64
	failed                 atomic.Bool
}

// run explores on every processor, until one schedule fails.
func (x *exploring) run() {
	start := time.Now()
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			e := newExplorer(x.t, x.project)
			for !x.failed.Load() {
				i := x.next.Add(1) - 1
				if i >= int64(x.schedules) {
					return
				}
				seed := x.first + uint64(i)
				end := e.play(newTape(seed), nil)
				x.checked.Add(int64(end.checked))
				if end.excused {
					x.excused.Add(1)
				}
				if end.reason != "" && !x.failed.Swap(true) {
					x.fail(e, seed, &end)
				}
				if i%20_000 == 19_999 {
					x.progress(start, i+1)
				}
			}
		})
	}
	group.Wait()
	x.progress(start, min(x.next.Load(), int64(x.schedules)))
}

func (x *exploring) progress(start time.Time, done int64) {
	took := time.Since(start)
	rate := float64(done) / took.Seconds()
	left := time.Duration(float64(int64(x.schedules)-done) / rate * float64(time.Second))
	fmt.Fprintf(os.Stderr, "explore: %d of %d schedules from seed %d, %.0f a second, %s to go; %d entities compared, %d schedules could not end whole\n",
		done, x.schedules, x.first, rate, left.Round(time.Second), x.checked.Load(), x.excused.Load())
}

// fail tells a schedule that failed, as short as it can be made.
func (x *exploring) fail(e *explorer, seed uint64, end *played) {
	fmt.Fprintf(os.Stderr, "explore: schedule %d fails, and is made smaller: %s\n", seed, end.reason)
	kind, patience := kindOf(end.reason), time.Now().Add(*exploreShrink)
	small := shrink(end.choices, func(choices []uint16) bool {
		return time.Now().Before(patience) && kindOf(e.play(&tape{played: choices}, nil).reason) == kind
	})
	var told strings.Builder
	again := e.play(&tape{played: small}, &told)
	x.t.Errorf("schedule %d: %s\n(%d choices, shrunk to %d)\n%s%s\nagain: go test -tags duckdb_arrow -run TestExplore$ ./ingest/worker -explore.seed %d -explore.schedules 1",
		seed, end.reason, len(end.choices), len(small), told.String(), again.reason, seed)
}

// kindOf is a reason without what differs between schedules: shrinking keeps it.
func kindOf(reason string) string {
	kind := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '"' {
			return -1
		}
		return r
	}, reason)
	if strings.Contains(kind, "the oracle says") {
		return "the oracle says"
	}
	return kind[:min(len(kind), 60)]
}

// TestExplore explores random schedules of the whole write path.
func TestExplore(t *testing.T) {
	x := &exploring{t: t, project: load(t, definitions), schedules: *exploreSchedules, first: *exploreSeed}
	if x.schedules == 0 {
		x.schedules = exploreAtLeast
	}
	x.run()
}

// TestSchedulesThatFailed plays schedules again that have failed once, and of which there
// is one in some hundred thousand. What they play changes with what the program asks for,
// so that some have a test of their own.
func TestSchedulesThatFailed(t *testing.T) {
	e := newExplorer(t, load(t, definitions))
	for _, seed := range []uint64{
		90563621,  // a process made LIVE again and again what another had halted again and again
		181030913, // compaction removed what was archived, was not at rest before the partition began anew, and had reached no lane
		185928988, // the same, in the archive of another process, which held it
		173067813, // a log was replaced between the comparison at the beginning and the first fetch
	} {
		if end := e.play(newTape(seed), nil); end.reason != "" {
			t.Errorf("schedule %d: %s", seed, end.reason)
		}
	}
}
