package conformance

import "github.com/freshet/freshet/transforms/window"

// capabilities are the words of a case's needs, as README.md lists them.
var capabilities = []string{
	"trailing", "exact", "lifetime", "offset", "series", "rows", "session", "tumbling", "hopping", "calendar", "latest", "ttl",
	"where", "by", "default", "list", "map", "decay", "hll", "ddsketch", "decimal", "typed_nan",
	"partitions", "sequence", "event_id", "pending", "replay", "as_of", "key", "request", "parse_time", "cdc",
}

// kindWord is the word for a kind of window in needs.
func kindWord(k window.Kind) string {
	return [...]string{"trailing", "latest", "lifetime", "rows", "session", "tumbling", "hopping", "calendar", "series"}[k]
}
