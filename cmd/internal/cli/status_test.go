package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/freshet/freshet/cmd/internal/canary"
	"github.com/freshet/freshet/cmd/internal/node"
)

// What the canary has seen is in the table: its state, and the way on.
func TestStatusShowsTheCanary(t *testing.T) {
	s := &node.Status{Project: "shop", Canary: &canary.Status{
		State: canary.StateWrong, Topic: "freshet.shop.canary", Written: 128, Served: 64, Losses: 1, Delay: 0.01234, Reason: "loss: partition 1, lane 5", Next: "freshet verify",
	}}
	var out bytes.Buffer
	if err := printTable(&out, statusTable(s)); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"CANARY STATE DELAY WRITTEN SERVED LOSSES DOUBLES NEXT REASON",
		"freshet.shop.canary WRONG 12.3ms 128 64 1 0 freshet verify loss: partition 1, lane 5",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
	s.Canary = nil
	out.Reset()
	if err := printTable(&out, statusTable(s)); err != nil || strings.Contains(out.String(), "CANARY") {
		t.Errorf("without one: %s (%v)", out.String(), err)
	}
}
