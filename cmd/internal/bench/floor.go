//go:build unix

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// floor is what cannot be beaten: an event is one SET, and a lookup one GET, of the
// same server in the same run.
type floor struct {
	redis *redis.Client

	mu      sync.Mutex
	written map[int32]int64
}

func (f *floor) send(ctx context.Context, _ int, list []due) error {
	pipe := f.redis.Pipeline()
	f.mu.Lock()
	if f.written == nil {
		f.written = map[int32]int64{}
	}
	for i := range list {
		for _, user := range list[i].users {
			f.written[user]++
			pipe.Set(ctx, floorKey(user), floorValue(f.written[user]), 0)
		}
	}
	f.mu.Unlock()
	_, err := pipe.Exec(ctx)
	return err
}

// floorBytes is the size of a value: about that of an entity.
const floorBytes = 300

func floorValue(count int64) string { return fmt.Sprintf("%0*d", floorBytes, count) }

func floorKey(user int32) string { return "floor:" + strconv.Itoa(int(user)) }

func (f *floor) counts(ctx context.Context, users []int32) ([]int64, error) {
	return f.ask(ctx, users, floorKey)
}

// relayed looks for what the bare consumer has written.
func (f *floor) relayed(ctx context.Context, users []int32) ([]int64, error) {
	return f.ask(ctx, users, func(user int32) string { return relayKey(string(appendUser(nil, user))) })
}

func (f *floor) ask(ctx context.Context, users []int32, key func(int32) string) ([]int64, error) {
	keys := make([]string, len(users))
	for i, user := range users {
		keys[i] = key(user)
	}
	values, err := f.redis.MGet(ctx, keys...).Result()
	out := make([]int64, len(users))
	for i := range values {
		if text, ok := values[i].(string); ok {
			out[i], _ = strconv.ParseInt(strings.TrimLeft(text, "0"), 10, 64) // it is our own
		}
	}
	return out, err
}
