package redis

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// movePatience is how long a command waits for a slot that is on the move, or
	// for a master that is being replaced.
	movePatience = 30 * time.Second
	leastPause   = 2 * time.Millisecond
	mostPause    = 200 * time.Millisecond
	// readRetries is how often a read is sent again over a broken connection, where
	// that broke soon: whoever has waited for a silent server asks again himself.
	readRetries = 2
)

// routed is a command and the key that says which server it goes to. All its
// keys are of one lane, so they are all there.
type routed struct {
	cmd    redis.Cmder
	key    string
	run    command // of a script, whose first key it is where key is ""
	paired bool    // the next command reads what must not be older: it is sent again with this one
}

// route is the key that says which server is to get the command.
func (r *routed) route() string {
	if r.key == "" && r.run != nil {
		return r.run.key()
	}
	return r.key
}

// nodes are the servers behind a store: one, or those of a cluster.
type nodes interface {
	// round sends each command once, those of one server as one pipeline in their
	// order; each has its own error afterwards. Writes have connections of their own.
	round(ctx context.Context, cmds []routed, write bool)
	// masters calls f for each server that takes writes.
	masters(ctx context.Context, f func(ctx context.Context, c *redis.Client) error) error
	close() error
}

// send sends commands and sees to those that a server has refused because their
// keys are elsewhere, or on their way: such a command has not run, so it is sent
// again, with jitter, for up to movePatience. What may have run is sent again
// only where it is a read.
func (s *Store) send(ctx context.Context, cmds []routed, write bool) {
	if len(cmds) == 0 {
		return
	}
	early, over := context.WithTimeout(ctx, s.timeout/dialShare)
	defer over()
	soon := func() bool { return early.Err() == nil }
	s.nodes.round(ctx, cmds, write)
	left := unfinished(cmds, 0, !write && soon())
	if len(left) == 0 {
		return
	}
	patience, cancel := context.WithTimeout(ctx, movePatience)
	defer cancel()
	for attempt := 1; len(left) > 0 && pause(patience, attempt); attempt++ {
		s.nodes.round(ctx, left, write)
		left = unfinished(left, attempt, !write && soon())
	}
}

// unfinished are the commands that are to be sent again; twice says that they may
// be where a broken connection left them without an answer.
func unfinished(cmds []routed, attempt int, twice bool) []routed {
	var left []routed
	behind := false
	for _, c := range cmds {
		err := c.cmd.Err()
		again := behind || err != nil && (passes(err) || twice && attempt < readRetries && broken(err))
		if again {
			left = append(left, c)
		}
		behind = again && c.paired
	}
	return left
}

// errOlder stands in a command whose answer is older than that of the one that it is
// to follow, until it is sent again.
var errOlder = errors.New("the answer is older than the one that it belongs to")

// pause waits longer after each attempt, with jitter; false once there is no time left.
func pause(ctx context.Context, attempt int) bool {
	d := min(leastPause<<min(attempt, 10), mostPause)
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// refusals are the answers of a server that has not run a command; those marked
// true pass by themselves.
var refusals = map[string]bool{
	"MOVED": true, "ASK": true, "TRYAGAIN": true, "CLUSTERDOWN": true, // the slot is elsewhere, or on its way
	"LOADING": true, "MASTERDOWN": true, "READONLY": true, // a master is starting or was replaced
	"OOM": false, "MISCONF": false, "NOREPLICAS": false, // the server protects what it holds
	"NOPERM": false, "NOAUTH": false, "WRONGPASS": false,
}

// refusal is the word of an answer that says that a command has not run; "" for
// any other error.
func refusal(err error) string {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return ""
	}
	word, _, _ := strings.Cut(answer.Error(), " ")
	if _, known := refusals[word]; known {
		return word
	}
	return ""
}

func passes(err error) bool { return refusals[refusal(err)] || errors.Is(err, errOlder) }

// Passes reports whether what a server has answered, or that it has not, may be
// otherwise the next time, without anybody doing something: it does not listen,
// closes connections, is silent, starts, or is being replaced.
func Passes(err error) bool {
	var answer redis.Error
	return passes(err) || redis.IsMaxClientsError(err) || !errors.As(err, &answer)
}

// broken reports whether a command got no answer at all: nobody knows whether it
// has run.
func broken(err error) bool {
	var answer redis.Error
	return !errors.As(err, &answer) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// errUnanswered stands in a command until its answer does.
var errUnanswered = errors.New("the server has not answered")

// pipeline sends commands over one connection. A command that has no answer has an
// error afterwards: where a server refuses the connection itself (a wrong password,
// too many clients), go-redis says so for the whole and leaves the commands as if
// they had found nothing, by which all that is stored would read as lost.
func pipeline(ctx context.Context, c *redis.Client, cmds []routed, asking bool) {
	pipe := c.Pipeline()
	for i := range cmds {
		if asking {
			_ = pipe.Process(ctx, redis.NewStatusCmd(ctx, "asking")) // only queues
		}
		_ = pipe.Process(ctx, cmds[i].cmd)
		cmds[i].cmd.SetErr(errUnanswered)
	}
	_, err := pipe.Exec(ctx)
	if err == nil {
		err = errUnanswered
	}
	for i := range cmds {
		if errors.Is(cmds[i].cmd.Err(), errUnanswered) {
			cmds[i].cmd.SetErr(err)
		}
	}
}

// read sends commands that may be sent twice, and gives the first error.
func (s *Store) read(ctx context.Context, doing string, cmds []routed) error {
	s.send(ctx, cmds, false)
	for _, c := range cmds {
		if err := c.cmd.Err(); err != nil {
			return s.unavailable(doing, err)
		}
	}
	return nil
}
