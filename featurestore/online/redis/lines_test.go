package redis

import (
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore/online"
)

// A batch is laid out in memory that is used again: nothing is left to the garbage
// collector.
func TestABatchIsLaidOutWithoutMemory(t *testing.T) {
	b := online.Batch{
		Lane: online.LaneID{Generation: online.Generation{Project: "shop", View: "spending", Number: 7}, Lane: 63}, Definition: [16]byte{1},
		Partition: online.Partition{Source: "payments", Generation: 1, Number: 5}, From: 41, TTL: time.Hour, ID: 8, After: 7,
		To: online.Watermark{Offset: 43, LogTime: 5, FetchTime: 6, Prints: []online.Fingerprint{{Offset: 42, LogTime: 4, Hash: 9}}},
		Writes: []online.Write{
			{Key: []byte("new"), Blob: []byte("blob")},
			{Key: []byte("known"), Expect: []byte("list"), Blob: []byte("blob"), Closed: []byte("closed"), Keep: true, Known: true},
			{Key: []byte("renewed"), Expect: []byte{}, Blob: []byte("blob"), Renew: true},
		},
	}
	l := &lines{}
	if n := len(l.apply(&b)); n != 3+2+3+2+13+2*3+3 {
		t.Fatalf("the command has %d arguments", n)
	}
	took := testing.AllocsPerRun(100, func() {
		l.reset()
		l.apply(&b)
	})
	if took > 1 { // the race detector takes one
		t.Errorf("a batch of three writes takes %v allocations", took)
	}
}
