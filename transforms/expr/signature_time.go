package expr

import (
	"time"
	_ "time/tzdata" // the zones, for machines and images that have none

	"github.com/freshet/freshet/featurestore"
)

// clock checks hour and day_of_week: an instant in a named zone.
func (c *checker) clock(n *node) (*node, *Error) {
	if err := c.want(n, 0, featurestore.Timestamp); err != nil {
		return nil, err
	}
	zone := n.args[1]
	if !zone.constant() || zone.typ.Kind != featurestore.KindString {
		return nil, c.fail(zone, `write it as "America/New_York"`, "the zone of %s must be a constant name", n.name)
	}
	name := zone.value.Str()
	loc, err := time.LoadLocation(name)
	if err != nil || machineZone(name) {
		return nil, c.fail(zone, `use a name of the IANA database, as "America/New_York" or "UTC"`, "unknown time zone %q", name)
	}
	n.zone, n.typ = loc, featurestore.Int64
	return n, nil
}

// machineZone reports names that mean another zone on another machine.
func machineZone(name string) bool {
	switch name {
	case "", "Local", "localtime", "posixrules", "Factory":
		return true
	}
	return false
}

func (c *checker) secondsBetween(n *node) (*node, *Error) {
	for i := range n.args {
		if err := c.want(n, i, featurestore.Timestamp); err != nil {
			return nil, err
		}
	}
	n.typ = featurestore.Double
	return n, nil
}

// timestamp makes a literal of a constant text.
func (c *checker) timestamp(n *node) (*node, *Error) {
	a := n.args[0]
	if !a.constant() || a.typ.Kind != featurestore.KindString {
		return nil, c.fail(a, "declare the field as timestamp in its source", "timestamp needs a constant text")
	}
	at, err := featurestore.ParseInstant(a.value.Str())
	if err != nil {
		return nil, c.fail(a, `write it as "2013-01-01T00:00:00Z"`, "%s", err)
	}
	return &node{kind: nodeLiteral, typ: featurestore.Timestamp, value: featurestore.TimestampValue(at), start: n.start, end: n.end}, nil
}
