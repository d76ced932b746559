package doctor

import (
	"fmt"
	"time"

	"github.com/freshet/freshet/cmd/internal/canary"
)

func judgeCanary(c *canary.Status) (State, string, string, string) {
	delay := time.Duration(c.Delay * float64(time.Second)).Round(100 * time.Microsecond)
	seen := fmt.Sprintf("%s; %d records written, %d served, the last round after %s; %d losses, %d doubles", c.State, c.Written, c.Served, delay, c.Losses, c.Doubles)
	if c.Reason != "" {
		seen += "; " + c.Reason
	}
	const wrong = "what happened to the canary's records may have happened to yours: it shares their code, log and store"
	switch {
	case c.State == canary.StateWrong:
		return Failed, seen, wrong, c.Next
	case c.Losses+c.Doubles > 0:
		return Warning, seen, wrong + "; it is right again", "look for the canary in the ingester's log; freshet verify"
	case c.State == canary.StateDelayed:
		return Failed, seen, "records take longer than ten seconds until lookups see them", c.Next
	case c.State == canary.StateStopped:
		return Warning, seen, "nobody watches for loss, doubles and delay; no view is concerned", c.Next
	}
	return OK, seen, "", ""
}
