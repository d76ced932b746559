// Package node assembles a running Freshet from its parts: it opens what the
// settings name, connects engines to stores, and owns the process's clock. It
// is the only place that knows every part; it computes nothing.
package node
