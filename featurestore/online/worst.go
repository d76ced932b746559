package online

import "slices"

// Worst is the state of the lanes that are furthest from answering; StateMissing
// for no lanes.
func Worst(lanes []Lane) State {
	if len(lanes) == 0 {
		return StateMissing
	}
	order := [...]State{StateMissing, StateLost, StateHalted, StateGap, StateBuilding, StateCatchingUp, StateLive}
	found := len(order) - 1
	for i := range lanes {
		found = min(found, slices.Index(order[:], lanes[i].Meta.State))
	}
	return order[found]
}
