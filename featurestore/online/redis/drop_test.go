package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/online/onlinetest"
	"github.com/freshet/freshet/featurestore/online/redis"
	"github.com/freshet/freshet/featurestore/online/redis/redistest"
)

// hung is the way to a server of a process that hangs, as one that was paused does,
// before it sends some command for the second time.
type hung struct {
	addr    string
	arrived chan struct{} // closed when it hangs
	goOn    chan struct{}
}

func hang(t *testing.T, srv *redistest.Server, command string) *hung {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &hung{addr: l.Addr().String(), arrived: make(chan struct{}), goOn: make(chan struct{})}
	t.Cleanup(func() { _ = l.Close() })
	word := fmt.Appendf(nil, "$%d\r\n%s\r\n", len(command), command)
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go h.forward(in, srv.Addr(), word)
		}
	}()
	return h
}

// forward copies one connection both ways.
func (h *hung) forward(in net.Conn, addr string, word []byte) {
	defer in.Close()
	out, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		defer in.Close()
		_, _ = in.(*net.TCPConn).ReadFrom(out)
	}()
	buffer, seen := make([]byte, 1<<20), 0
	for {
		n, err := in.Read(buffer)
		if err != nil {
			return
		}
		if bytes.Contains(buffer[:n], word) {
			if seen++; seen == 2 {
				close(h.arrived)
				<-h.goOn
			}
		}
		if _, err := out.Write(buffer[:n]); err != nil {
			return
		}
	}
}

const ofDrop = 5000 // entities: several steps of a drop

// fillAll makes a generation with many entities.
func fillAll(t *testing.T, s *redis.Store) {
	t.Helper()
	create(t, s)
	batches := make([]online.Batch, meta.Lanes)
	for i := range batches {
		batches[i] = online.Batch{Lane: lane(uint16(i)), Definition: meta.Definition, Partition: online.Partition{Source: "s", Generation: 1}, From: -1}
	}
	for i := range ofDrop {
		key := fmt.Appendf(nil, "k%d", i)
		b := &batches[codec.Lane(key, meta.Lanes)]
		b.Writes = append(b.Writes, online.Write{Key: key, Blob: onlinetest.Blob("1", nil)})
	}
	for _, r := range s.Apply(t.Context(), batches) {
		if r.Outcome != online.OutcomeOK {
			t.Fatalf("%v: %v", r.Outcome, r.Err)
		}
	}
}

// left are the entities of that generation which are there.
func left(t *testing.T, s *redis.Store) (n int) {
	t.Helper()
	var ids []online.EntityID
	for i := range ofDrop {
		key := fmt.Appendf(nil, "k%d", i)
		ids = append(ids, online.EntityID{LaneID: lane(codec.Lane(key, meta.Lanes)), Key: key})
	}
	parts, err := s.Get(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	for i := range parts {
		if parts[i].Open != nil {
			n++
		}
	}
	return n
}

// A process that hangs in the midst of a drop, until another one has dropped the
// generation and made it anew, takes nothing of that away.
func TestDropTakesNothingOfTheNextLife(t *testing.T) {
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	fillAll(t, s)
	way := hang(t, srv, "scan")
	late := open(t, redis.Config{Addrs: []string{way.addr}, Timeout: time.Minute})
	ended := make(chan error)
	go func() { ended <- late.Drop(context.Background(), generation, meta.Lanes) }()
	<-way.arrived
	if err := s.Drop(t.Context(), generation, meta.Lanes); err != nil {
		t.Fatal(err)
	}
	fillAll(t, s)
	close(way.goOn)
	if err := <-ended; err == nil {
		t.Error("the late one has dropped it")
	}
	if n := left(t, s); n != ofDrop {
		t.Errorf("%d of %d entities are left", n, ofDrop)
	}
	lanes, err := s.Lanes(t.Context(), generation, meta.Lanes)
	if err != nil || online.Worst(lanes) != meta.State {
		t.Errorf("the lanes say %v (%v)", online.Worst(lanes), err)
	}
}

// A drop that was interrupted leaves lanes that are LOST, and whoever comes next
// drops them: what is left of them is not taken for theirs.
func TestInterruptedDropLeavesLostLanes(t *testing.T) {
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	fillAll(t, s)
	way := hang(t, srv, "scan")
	late := open(t, redis.Config{Addrs: []string{way.addr}, Timeout: time.Second})
	if err := late.Drop(t.Context(), generation, meta.Lanes); err == nil {
		t.Error("the interrupted one has dropped it")
	}
	t.Cleanup(func() { close(way.goOn) })
	lanes, err := s.Lanes(t.Context(), generation, meta.Lanes)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range lanes {
		if l.Meta.State != online.StateLost || len(l.Watermarks) > 0 {
			t.Errorf("lane %d is %+v", i, l)
		}
	}
	b := step(-1, 0)
	apply(t, s, b, online.OutcomeDefinition)
	if err := s.SetState(t.Context(), generation, online.StateLive); err == nil {
		t.Error("it is made live")
	}
	for range 2 {
		if err := s.Drop(t.Context(), generation, meta.Lanes); err != nil {
			t.Fatal(err)
		}
	}
	if n := left(t, s); n != 0 {
		t.Errorf("%d entities are left", n)
	}
	fillAll(t, s)
}

// A generation whose first lanes are gone says of its last how many it had.
func TestMostLanesAreGone(t *testing.T) {
	srv := server(t)
	s := open(t, redis.Config{Addrs: []string{srv.Addr()}})
	if err := s.Create(t.Context(), generation, onlinetest.Meta(7, 70)); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(t.Context(), generation, 69); err != nil {
		t.Fatal(err)
	}
	err := s.SetState(t.Context(), generation, online.StateGap)
	if !errors.Is(err, featurestore.ErrNotFound) || !strings.Contains(err.Error(), "69 of 70 lanes") {
		t.Errorf("a state for all: %v", err)
	}
	if lanes, err := s.Lanes(t.Context(), generation, 70); err != nil || lanes[69].Meta.State != online.StateGap {
		t.Errorf("the last lane is %+v, %v", lanes[69].Meta, err)
	}
}
