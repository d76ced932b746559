package oracle_test

import (
	"bytes"
	"fmt"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/window"
)

// encode gives the bytes of a state.
func encode(p *window.Plan, s *window.State) []byte { return codec.AppendEntity(nil, header, p, s) }

// recode gives the state that its bytes stand for.
func (r *run) recode(state *window.State) (*window.State, string) {
	blob := encode(r.plan, state)
	again := &window.State{}
	if err := codec.DecodeEntity(blob, header, r.plan, again); err != nil {
		return nil, "decode: " + err.Error()
	}
	if second := encode(r.plan, again); !bytes.Equal(blob, second) {
		return nil, fmt.Sprintf("decode and encode give other bytes:\n%x\n%x", blob, second)
	}
	return again, ""
}
