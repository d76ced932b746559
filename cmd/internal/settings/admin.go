package settings

import (
	"fmt"
	"net"
)

// Admin is an address of its own for operators: metrics, health and profiles.
// Empty, there is none; metrics then stand beside the API where one is served.
type Admin struct {
	Listen string `yaml:"listen,omitempty"`
}

func (a *Admin) validate() error {
	if a.Listen == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(a.Listen); err != nil {
		return fmt.Errorf("admin.listen: %w", err)
	}
	return nil
}

// Traces is where spans go. Without an address none are made.
type Traces struct {
	OTLP   string  `yaml:"otlp,omitempty"`   // host:port of a collector, over gRPC
	TLS    *TLS    `yaml:"tls,omitempty"`    // none: plaintext, for a collector beside this process
	Sample float64 `yaml:"sample,omitempty"` // share of the traces that begin here; 0 is 0.01
}

func (t *Traces) validate() error {
	if t.OTLP != "" {
		if _, _, err := net.SplitHostPort(t.OTLP); err != nil {
			return fmt.Errorf("traces.otlp: %w", err)
		}
	}
	if t.Sample < 0 || t.Sample > 1 {
		return fmt.Errorf("traces.sample: %g is no share, write 0.01 for one in a hundred", t.Sample)
	}
	return t.TLS.validate("traces.tls")
}
