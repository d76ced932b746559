package definition_test

import (
	"errors"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

// A list of references expands as a service of the same features does.
func TestAdHocIsAService(t *testing.T) {
	p := mustLoad(t, []definition.File{file(t, corpus+"/base.yaml")})
	s, err := p.AdHoc([]string{"user_clicks.*", "user_profile.*", "pace.over"})
	if err != nil {
		t.Fatal(err)
	}
	want := p.Service("base_service")
	if len(s.Columns) != len(want.Columns) || len(s.Roles) != len(want.Roles) || len(s.Entities) != len(want.Entities) || len(s.Request) != len(want.Request) {
		t.Errorf("got %+v, want %+v", s, want)
	}
	for i := range s.Columns {
		if s.Columns[i] != want.Columns[i] {
			t.Errorf("column %d is %+v, want %+v", i, s.Columns[i], want.Columns[i])
		}
	}
	for _, ref := range []string{"user_clicks", "nothing.x", "user_clicks.nothing", ""} {
		if _, err := p.AdHoc([]string{ref}); !errors.Is(err, featurestore.ErrNotFound) {
			t.Errorf("%q: %v", ref, err)
		}
	}
}
