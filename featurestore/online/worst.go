package online

import (
	"fmt"
	"slices"
)

// Worst is the state of the lanes that are furthest from answering; StateMissing
// for no lanes. One that is not known may be any: nobody may go by what the others say.
func Worst(lanes []Lane) State {
	if len(lanes) == 0 {
		return StateMissing
	}
	order := [...]State{StateUnknown, StateMissing, StateLost, StateHalted, StateGap, StateBuilding, StateCatchingUp, StateLive}
	found := len(order) - 1
	for i := range lanes {
		found = min(found, slices.Index(order[:], lanes[i].Meta.State))
	}
	return order[found]
}

// Unknown says which lane has a state that this release does not know; nil for none.
func Unknown(lanes []Lane) error {
	for i := range lanes {
		if lanes[i].Meta.State == StateUnknown {
			return fmt.Errorf("lane %d says the state %q, which this version of freshet does not know: a newer one has written it, or somebody by hand", i, lanes[i].Word)
		}
	}
	return nil
}
