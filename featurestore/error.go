package featurestore

import (
	"errors"
	"fmt"
)

// The three kinds of error that cross a boundary. Every other error is
// internal. They are matched with errors.Is and mapped to codes in one place
// of each boundary.
var (
	ErrInvalid     = errors.New("invalid")
	ErrNotFound    = errors.New("not found")
	ErrUnavailable = errors.New("unavailable")
)

// Invalidf is an error of kind ErrInvalid: the caller must change the input.
func Invalidf(format string, args ...any) error { return kinded(ErrInvalid, format, args) }

// NotFoundf is an error of kind ErrNotFound: a name that does not exist.
func NotFoundf(format string, args ...any) error { return kinded(ErrNotFound, format, args) }

// Unavailablef is an error of kind ErrUnavailable: the same call may succeed later.
func Unavailablef(format string, args ...any) error { return kinded(ErrUnavailable, format, args) }

type kindError struct {
	kind error
	err  error
}

func kinded(kind error, format string, args []any) error {
	return &kindError{kind: kind, err: fmt.Errorf(format, args...)}
}

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }
