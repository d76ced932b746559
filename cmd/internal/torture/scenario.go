package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/freshet/freshet/cmd/internal/torture/plant"
)

// scenario is one fault, against a system of its own.
type scenario struct {
	name  string
	row   string // of docs/failures.md
	fault string
	short bool // it is part of the short run
	run   func(*world) error
}

// scenarios are all, in the order of the table.
func scenarios() []scenario {
	return []scenario{
		{"kill", "1", "SIGKILL of the ingester at random moments under load", true, killIngester},
		{"cut", "2", "SIGKILL of redis-server under load, its append-only file cut at a random byte", true, cutFile},
		{"replies", "3", "5 % of Redis's answers lost with their connections", false, loseReplies},
		{"pause", "4", "SIGSTOP of an ingester past its session, then SIGCONT", false, pauseOwner},
		{"grow", "5", "partitions added under load", true, growTopics},
		{"recreate", "6", "a topic deleted and made anew under a running ingester", true, recreateLive},
		{"recreate-stopped", "6", "the same across a restart", false, recreateStopped},
		{"expire", "7", "retention passes what is not applied", false, expire},
		{"expire-quiet", "7", "everything that is applied expires", false, expireQuiet},
		{"truncate", "8", "the end of a log cut, other records appended", false, truncate},
		{"failover", "9", "a lagging replica promoted", true, failover},
		{"flush", "10", "FLUSHALL, at rest and under load", true, flushAll},
		{"evict", "11", "a policy that evicts, on a server without room", false, evict},
		{"full", "12", "maxmemory below use", false, full},
		{"clocks", "14", "producers' clocks 5 minutes off either way, and replays", false, replayed(skewed, 2400)},
		{"late", "15", "a third of all events late, and replays", false, replayed(late, 2400)},
		{"again", "16", "most event ids repeated, and replays", false, replayed(again, 2400)},
		{"abort", "17", "transactions aborted between committed ones", false, abort},
		{"poison", "18", "more bad records than the budget", true, poison},
		{"evolve", "19", "records and definitions change their fields, and read some that were there before; the ingester killed meanwhile", false, evolve},
		{"change", "20", "a feature's meaning changes under load", false, change("20m", "2h", "30m")},
		{"bootstrap", "21", "a view built from history under load, late events on both sides of the cut", false, change("20m")},
		{"hot", "22", "one user with half of all events, the others by Zipf 1.2", false, hot},
		{"union", "23", "two topics, two ingesters, one view, and failovers", false, union},
		{"changes", "24", "updates and deletions of a table, while redis-server dies", false, changes},
		{"slots", "26", "lanes moved between masters of a cluster under load", false, moveSlots},
		{"scripts", "27", "SCRIPT FLUSH every second", false, flushScripts},
		{"slow", "28", "Redis's answers 200 ms late under load", false, slowStore},
		{"stale", "29", "the lanes become another definition's under a running ingester", false, staleWriter},
		{"versions", "29", "an ingester of another engine joins, as in a rolling deploy", false, twoVersions},
		{"flip", "30", "a bit flips in each of 100 stored blobs", false, flipBits},
		{"wipe", "31", "a lane deleted, FLUSHDB, an old copy of the files restored", false, wipe},
		{"delete", "31", "single entities deleted", false, deleteEntities},
		{"compact", "33", "SIGKILL in the middle of the archive's compaction and retention, then the log gone up to there, and FLUSHALL", false, compactArchive},
	}
}

// bench is what scenarios share.
type bench struct {
	kafka  *plant.Kafka
	dir    string
	seed   uint64
	rounds int
	bin    plant.Programs
}

// limit bounds a scenario.
const limit = 8 * time.Minute

// run runs one scenario; the seed of a scenario does not depend on which others run.
func (b *bench) run(ctx context.Context, s scenario) result {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.name)) // never fails
	res := &result{Name: s.name, Row: s.row, Fault: s.fault, Seed: b.seed}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	begin := time.Now()
	w := &world{
		ctx: ctx, name: "t" + s.row + "-" + s.name, dir: filepath.Join(b.dir, s.name), bench: b, r: rand.New(rand.NewPCG(b.seed, h.Sum64())), result: res, kafka: b.kafka,
		say: func(format string, args ...any) {
			fmt.Printf("  %5.1fs  %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
		},
	}
	err := os.MkdirAll(w.dir, 0o755)
	if err == nil {
		err = guarded(w, s.run)
	}
	if w.ledger != nil {
		res.Events = max(res.Events, w.ledger.Records())
	}
	err = errors.Join(err, w.close())
	res.Took = time.Since(begin).Seconds()
	if err != nil {
		res.Error = err.Error()
	} else if res.Mismatches > 0 {
		res.Error = fmt.Sprintf("%d values are wrong", res.Mismatches)
	}
	res.OK = res.Error == "" && res.Compared > 0
	w.say("%d faults, %d events, %d values compared, %d mismatches; %s", res.Injected, res.Events, res.Compared, res.Mismatches, verdict(res))
	return *res
}

func verdict(r *result) string {
	if r.OK {
		return "ok"
	}
	return "FAILED: " + r.Error
}

// guarded makes an error of a panic, so that the other scenarios still run and
// what was started is ended.
func guarded(w *world, run func(*world) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return run(w)
}
