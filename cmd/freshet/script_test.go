package main

import (
	"errors"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run this program under its own name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"freshet": main})
}

// TestScripts runs what a person types, as testdata/script says it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true, Setup: freePort, Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "until": until}})
}

// freePort gives a script a port of its own, as $PORT.
func freePort(e *testscript.Env) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	e.Setenv("PORT", port)
	return errors.Join(err, l.Close())
}

// until runs the program until it succeeds and prints what is wanted, as a
// regular expression: what a process in the background does takes its time.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP ARG...")
	}
	want := regexp.MustCompile(args[0])
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		if ts.Exec("freshet", args[1:]...) == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("freshet %v: it never printed %s", args[1:], args[0])
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
