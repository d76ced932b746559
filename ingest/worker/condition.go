package worker

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/freshet/freshet/featurestore/online"
)

// Condition is how a generation is, for people.
type Condition struct {
	State  string `json:"state"` // RUNNING, CATCHING_UP, BUILDING, LOST, GAP, HALTED, STALE_BINARY or MIXED
	Reason string `json:"reason,omitempty"`
	Next   string `json:"next,omitempty"` // the command that leads on; "": it goes on by itself
}

// StandsStill reports whether nothing goes on until a person acts.
func (c Condition) StandsStill() bool {
	return c.State == online.StateGap.String() || c.State == online.StateHalted.String() || c.State == conditionStale || c.State == ConditionMixed
}

// Words for states of lanes that people read.
const (
	conditionRunning = "RUNNING"
	conditionStale   = "STALE_BINARY"

	// ConditionMixed is that of a view that waits until other views' generations answer.
	ConditionMixed = "MIXED"
)

// restartNext leads on where something must be mended first.
const restartNext = "restart the ingester once that is mended"

// ConditionOf is what the state of a view's lanes alone says.
func ConditionOf(view string, s online.State) Condition {
	switch s {
	case online.StateLive:
		return Condition{State: conditionRunning}
	case online.StateCatchingUp:
		return Condition{State: s.String(), Reason: "filled from history; the log is being applied; why it does not get on, where it does not, its ingester says: freshet status --addr <its admin.listen>"}
	case online.StateBuilding:
		return Condition{State: s.String(), Reason: "being filled from history; how far it is, or why it does not get on, its ingester says: freshet status --addr <its admin.listen>"}
	case online.StateGap:
		return Condition{State: s.String(), Reason: "the log of one of its sources is not the one that was applied, or has lost records; what is missing, and whether it goes on by itself once the topic is restored, its ingester says: freshet status --addr <its admin.listen>", Next: "freshet accept-new-topic SOURCE"}
	case online.StateHalted:
		return Condition{State: s.String(), Reason: "too many records of one of its sources do not decode; how many, and the newest of them, its ingester says: freshet status --addr <its admin.listen>", Next: "freshet dlq ls"}
	case online.StateUnknown:
		return UnknownCondition(view, errors.New("a lane of it says a state that this version of freshet does not know: a newer one has written it, or somebody by hand"))
	default:
		return Condition{State: online.StateLost.String(), Reason: "the online store has lost lanes of view " + view + ": an ingester builds them anew"}
	}
}

// OtherVersionCondition is that of a view whose generations are all another version's.
func OtherVersionCondition() Condition {
	return Condition{
		State: conditionStale, Next: "freshet apply",
		Reason: "its generations are another version's of freshet, which computes or stores otherwise: this version builds it anew once it is applied again",
	}
}

// MixedCondition is that of a view that does not answer because no revision has the
// meanings of all live generations.
func MixedCondition(why, next string) Condition {
	return Condition{State: ConditionMixed, Reason: why, Next: next}
}

// Conditions are those of every running generation.
func (w *Worker) Conditions() map[online.Generation]Condition {
	halted := w.progress.Halted()
	parts := make([]online.Partition, 0, len(halted))
	for id := range halted {
		parts = append(parts, id)
	}
	slices.SortFunc(parts, online.Partition.Compare)
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[online.Generation]Condition{}
	w.asideConditions(out)
	for id, r := range w.views {
		c := ConditionOf(id.View, r.view.laneState())
		switch {
		case r.lacks:
			c = r.lackingCondition(w.missing)
		case r.broken && r.damage:
			c.Reason, c.Next = "history cannot fill it: "+r.why, restartNext
		case r.broken:
			c.Reason, c.Next = "history cannot fill it: "+r.why, "freshet backfill "+id.View
		case !r.full && r.why != "":
			c.Reason += "; it is tried again: " + r.why
		}
		for _, p := range parts {
			if _, reads := r.view.binding[p.Source]; reads {
				c = c.after(p, halted[p])
			}
		}
		out[id] = c
	}
	return out
}

// lackingCondition is that of a generation that would be built from less than there was.
func (r *running) lackingCondition(missing map[string][]Missing) Condition {
	for _, b := range r.view.view.Bindings {
		if len(missing[b.Source.Name]) > 0 {
			return LackingCondition(r.why, AcceptLossCommand(b.Source.Name))
		}
	}
	return LackingCondition(r.why, "")
}

// LackingCondition is that of a generation that would be built from less than was at rest.
func LackingCondition(why, next string) Condition {
	return Condition{State: online.StateGap.String(), Reason: "it cannot be built: " + why, Next: next}
}

// after is the condition of a view of which one partition does not go on.
func (c Condition) after(p online.Partition, err error) Condition {
	var gap *GapError
	var halted *HaltedError
	at := fmt.Sprintf("source %s, partition %d: ", p.Source, p.Number)
	switch {
	case errors.As(err, &gap):
		return Condition{
			State: online.StateGap.String(), Next: "freshet accept-new-topic " + gap.Source,
			Reason: fmt.Sprintf("source %s, partition %d: %s; %s, or go on with what it holds now", gap.Source, gap.Partition, gap.Reason, gap.restore()),
		}
	case errors.As(err, &halted):
		return Condition{State: online.StateHalted.String(), Reason: strings.TrimPrefix(halted.Error(), online.StateHalted.String()+": "), Next: "freshet dlq ls --source " + p.Source}
	case errors.Is(err, errStale):
		return Condition{State: conditionStale, Reason: at + errStale.Error(), Next: "restart the ingester with the newer binary"}
	default:
		return Condition{State: online.StateHalted.String(), Reason: at + err.Error(), Next: restartNext}
	}
}

// laneState is the worst state of the lanes when they were last read.
func (v *View) laneState() online.State {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state
}
