package cli

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry/sqlite"
)

// A generation keeps the number of lanes that it was made with, whatever the settings
// say later (those of before online.lanes have 64): it is moved on and answers beside
// one that has another, and can be switched back to.
func TestGenerationsKeepTheirLanes(t *testing.T) {
	s := &switchedBack{t: t, dir: t.TempDir()}
	listen, admin := nobody(t), nobody(t)
	settings := func(online string) {
		s.write("freshet.yaml", fmt.Sprintf("project: shop\nserve: {listen: %q}\nadmin: {listen: %q}\n%s", listen, admin, online))
	}
	answers := func(n int) {
		t.Helper()
		if got := strings.Fields(s.do("get", "v.n,w.n", "user=ann", "--as-of", "2013-01-01T00:30:00Z", "-o", "table")); strings.Count(strings.Join(got, " "), fmt.Sprintf(" %d PRESENT", n)) != 2 {
			t.Errorf("ann has %v, want %d of both", got, n)
		}
	}
	settings("online: {lanes: 64}\n")
	s.write("d.yaml", twoViews)
	s.do("apply", "--yes")
	n, stop := ingester(t, s.dir)
	sendClicks(t, n, "ann", "bob", "ann")
	inState(t, n, "RUNNING", 3)
	stop()
	answers(2)

	settings("")
	s.do("backfill", "v")
	s.live(2, 1)
	n, stop = ingester(t, s.dir)
	sendClicks(t, n, "ann", "eve")
	inState(t, n, "RUNNING", 2)
	stop()
	s.registry(func(r *sqlite.Store) error {
		list, err := r.Generations(t.Context())
		lanes := map[string]uint16{}
		for _, g := range list {
			lanes[fmt.Sprint(g.View, g.Number)] = g.Lanes
		}
		if want := map[string]uint16{"v1": 64, "v2": online.DefaultLanes, "w1": 64}; !reflect.DeepEqual(lanes, want) {
			t.Errorf("lanes are %v, want %v", lanes, want)
		}
		return err
	})
	answers(3)
	s.do("switch", "v@1")
	s.live(1, 1)
	answers(3)
}
