// Package conformance runs the conformance vectors over the real parts, put
// together as a deployment has them: the ingester and a lookup over each online
// store, the archive and a training set, `freshet test`. It holds tests only.
package conformance
