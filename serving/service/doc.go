// Package service answers lookups: it compiles a feature service once into a
// plan (which blobs, which columns) and then only fills. It owns the read path
// from typed request to typed answer; it knows no wire format, and writes nothing.
package service
