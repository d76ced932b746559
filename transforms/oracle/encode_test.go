package oracle_test

import (
	"bytes"
	"fmt"

	"github.com/freshet/freshet/featurestore/codec"
	"github.com/freshet/freshet/transforms/window"
)

// encode gives the bytes of a settled state, both parts behind each other.
func encode(p *window.Plan, s *window.State) []byte {
	open, closed := codec.AppendEntity(nil, nil, header, p, s)
	return append(open, closed...)
}

// recode gives the state that a state's bytes hold.
func (r *run) recode(state *window.State) (*window.State, string) {
	open, closed := codec.AppendEntity(nil, nil, header, r.plan, state)
	again := &window.State{}
	if err := codec.DecodeEntity(open, closed, header, r.plan, again); err != nil {
		return nil, "decode: " + err.Error()
	}
	if second, rest := codec.AppendEntity(nil, nil, header, r.plan, again); !bytes.Equal(open, second) || !bytes.Equal(closed, rest) {
		return nil, fmt.Sprintf("decode and encode give other bytes:\n%x %x\n%x %x", open, closed, second, rest)
	}
	return again, ""
}
