// Package rpc puts the read path on the wire: gRPC freshet.serving.v1 and the
// same as HTTP/JSON on one port. It owns parsing, limits, the JSON codec and the
// mapping of errors to codes; it computes nothing.
package rpc
