package embedded

import (
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// A state that this release does not know is told apart from damage.
func TestUnknownState(t *testing.T) {
	m := online.Meta{Definition: [16]byte{1}, StateVersion: 3, Lanes: 4, State: online.StateLive}
	b := appendMeta(nil, m)
	b[len(b)-1] = byte(online.StateCatchingUp) + 1
	if got, err := decodeMeta(b); err != nil || got.State != online.StateUnknown || !got.SameGeneration(m) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, damaged := range [][]byte{b[:len(b)-1], appendMeta(nil, online.Meta{State: online.StateLive}), appendMeta(nil, online.Meta{State: online.StateUnknown})} {
		if got, err := decodeMeta(damaged); err == nil {
			t.Errorf("% x reads as %+v", damaged, got)
		}
	}
}
