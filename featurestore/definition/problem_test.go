package definition_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

func TestProblemForms(t *testing.T) {
	_, problems := definition.Load(text("kind: Entity\nname: e\nkeys: [{name: k, type: strnig}]\n"))
	const want = "x.yaml:3:24: error: \"type\" cannot be \"strnig\"\n  keys: [{name: k, type: strnig}]\n                         ^^^^^^\nhint: did you mean \"string\"?\n"
	if got := problems.Format(); got != want {
		t.Errorf("got\n%s", got)
	}
	if err := problems.Err(); !errors.Is(err, featurestore.ErrInvalid) || err.Error()+"\n" != want || problems.Error()+"\n" != want {
		t.Errorf("the error is %v", err)
	}
	raw, err := json.Marshal(problems)
	if err != nil {
		t.Fatal(err)
	}
	const wantJSON = `[{"file":"x.yaml","line":3,"column":24,"width":6,"severity":"error","message":"\"type\" cannot be \"strnig\"","text":"keys: [{name: k, type: strnig}]","hint":"did you mean \"string\"?"}]`
	if got := string(raw); got != wantJSON {
		t.Errorf("got %s", got)
	}
	if raw, err := json.Marshal(definition.Problems(nil)); err != nil || string(raw) != "[]" {
		t.Errorf("no problems are %s, %v", raw, err)
	}
}

// Warnings come beside a project, and are no error.
func TestWarningsPreventNothing(t *testing.T) {
	p, problems := definition.Load(text("kind: Entity\nname: e\nkeys: [{name: k, type: string}]\n"))
	if p == nil || problems.Errors() != 0 || len(problems) != 1 || problems[0].Severity != definition.SeverityWarning || problems.Err() != nil {
		t.Errorf("project %v, problems %s", p, problems.Format())
	}
	if p, problems := definition.Load(nil); p == nil || len(problems) != 0 {
		t.Errorf("no files: %v, %s", p, problems.Format())
	}
}

// A secret is shown nowhere, not even where something else is wrong on its line.
func TestSecretsAreMasked(t *testing.T) {
	const secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
	_, problems := definition.Load(text("kind: Entity\nname: " + secret + "\nonwer: [" + secret + "]\nkeys: [{name: k, type: " + secret + "}]\n"))
	raw, err := json.Marshal(problems)
	if err != nil {
		t.Fatal(err)
	}
	if all := problems.Format() + string(raw); strings.Contains(all, "0123456789") || strings.Count(all, "looks like a secret") != 6 {
		t.Errorf("%s", all)
	}
}

// A terminal is not moved by what stands in a file.
func TestFormatIsVisible(t *testing.T) {
	_, problems := definition.Load(text("kind: Entity\nname: \"\x1b[2Jx\u202e\"\n"))
	if out := problems.Format(); strings.ContainsAny(out, "\x1b\u202e") {
		t.Errorf("%q", out)
	}
}
