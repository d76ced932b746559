// Package worker is the write path's engine: it reads partitions of a log,
// decodes their records once, folds them into every view generation that wants
// them, and applies the result lane by lane under the protocol of
// docs/architecture.md. It owns goroutines and progress; it never decides what
// an event means (transforms/window) nor how bytes are kept (online.Store).
//
// Progress lives in the store, beside the state: a worker starts from the
// store's watermarks, and whatever happens to it, starting again is safe.
package worker
