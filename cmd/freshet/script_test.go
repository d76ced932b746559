package main

import (
	"errors"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run this program under its own name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"freshet": main})
}

// TestScripts runs what a person types, as testdata/script says it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true, Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits}})
}

// exits runs the program and checks its exit code: `exits 2 plan`. What it
// prints is there for stdout and stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARG...")
	}
	err := ts.Exec("freshet", args[1:]...)
	got := "0"
	if err != nil {
		got = exitCode(err)
	}
	if got != args[0] {
		ts.Fatalf("freshet %v: exit code %s, want %s", args[1:], got, args[0])
	}
}

// exitCode is the code that a process ended with, or the error that kept it from running.
func exitCode(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return strconv.Itoa(exit.ExitCode())
	}
	return err.Error()
}
