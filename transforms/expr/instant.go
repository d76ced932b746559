package expr

import (
	"github.com/freshet/freshet/featurestore"
)

func compileTime(n *node, args []code) code {
	x := args[0].i
	if n.name == "seconds_between" {
		return code{d: secondsBetween(x, args[1].i)}
	}
	zone := n.zone
	if n.name == "hour" {
		return code{i: mapped(x, func(t int64) int64 {
			return int64(featurestore.Instant(t).Time().In(zone).Hour())
		})}
	}
	return code{i: mapped(x, func(t int64) int64 {
		sundayFirst := int64(featurestore.Instant(t).Time().In(zone).Weekday())
		return (sundayFirst+6)%7 + 1 // ISO 8601: Monday is 1, Sunday 7
	})}
}

// secondsBetween is to - from, rounded once from exact microseconds where they
// are less than 285 years apart. A distance beyond int64 fails.
func secondsBetween(from, to fn[int64]) fn[float64] {
	return func(r row) (float64, state) {
		a, s := from(r)
		b, t := to(r)
		us, s := subInt(b, a, s|t)
		if s != stOK {
			return 0, s
		}
		return float64(us) / 1e6, stOK
	}
}
