// Package cli is the command line: what a person types, and what comes back. A
// verb a file; results go to stdout in the format asked for, progress and notes
// to stderr. Verbs that need cgo are added by cmd/freshet.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/featurestore"
)

// Exit codes.
const (
	ExitDone       = 0 // done, or equal
	ExitError      = 1
	ExitDifference = 2 // there is a difference: plan has changes, a check found mismatches, a test failed
)

// ErrDifference ends a verb with ExitDifference; the verb has said what differs.
var ErrDifference = errors.New("there is a difference")

// App is what every verb shares.
type App struct {
	Dir     string
	Profile string
	Format  string
	Quiet   bool
	Addr    string

	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Getenv  func(string) string
	Version string
}

// New is an app on the process's own streams.
func New(version string) *App {
	return &App{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Version: version}
}

// Root is the root command with the verbs that need no cgo.
func (a *App) Root(name, short string) *cobra.Command {
	root := &cobra.Command{
		Use: name, Short: short, SilenceUsage: true, SilenceErrors: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		// What is wrong for every verb is refused before any has done something.
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.checkFormat() },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Version:           a.Version,
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&a.Dir, "dir", "C", ".", "the repository of definitions: here, or a parent with freshet.yaml")
	flags.StringVar(&a.Profile, "profile", "", "a profile of freshet.yaml")
	flags.StringVarP(&a.Format, "output", "o", "", "table, json, yaml, jsonl or name (table on a terminal, else json)")
	flags.BoolVarP(&a.Quiet, "quiet", "q", false, "no progress and no notes")
	flags.StringVar(&a.Addr, "addr", "", "a running server (default: serve.listen of the settings, where one answers)")
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	return root
}

func unknownCommand(cmd *cobra.Command, arg string) error {
	cmd.SuggestionsMinimumDistance = 2 // of letters that differ
	hint := ""
	if near := cmd.SuggestionsFor(arg); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return featurestore.Invalidf("there is no command %q%s (see `%s --help`)", arg, hint, cmd.Root().Name())
}

// Main runs a root command and gives the exit code.
func (a *App) Main(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, ErrDifference):
		return ExitDifference
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(a.Stderr, "interrupted; it is safe to run this again")
		return ExitError
	}
	fmt.Fprintln(a.Stderr, "error:", err)
	return ExitError
}

// Settings reads freshet.yaml of the project.
func (a *App) Settings() (*settings.Settings, error) {
	root, err := settings.Find(a.Dir)
	if err != nil {
		return nil, err
	}
	return settings.Load(root, settings.Source{Profile: a.Profile, Getenv: a.Getenv})
}

// Logger writes to stderr, as text.
func (a *App) Logger() *slog.Logger {
	level := slog.LevelInfo
	if a.Quiet {
		level = slog.LevelWarn
	}
	return slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: level}))
}

// Note tells a person something that is no result.
func (a *App) Note(format string, args ...any) {
	if !a.Quiet {
		fmt.Fprintf(a.Stderr, format+"\n", args...)
	}
}
