package settings

import (
	"fmt"
	"net/netip"
	"net/url"
)

// SchemaRegistry is where the schemas are that records name.
type SchemaRegistry struct {
	URL      string `yaml:"url"`
	Username string `yaml:"username,omitempty"`
	Password Secret `yaml:"password,omitempty"`
	TLS      *TLS   `yaml:"tls,omitempty"`
}

// validate refuses an address that no administrator means: a registry lies behind
// http or https, and never at the link-local addresses of a cloud's metadata.
func (r *SchemaRegistry) validate() error {
	u, err := url.Parse(r.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("log.schema_registry.url: %q is not an address: write http://host:port or https://host", r.URL)
	case u.User != nil:
		return fmt.Errorf("log.schema_registry.url: it holds credentials: write username and password: ${env:NAME}")
	}
	if err := r.TLS.validate("log.schema_registry.tls"); err != nil {
		return err
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && (a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast()) {
		return fmt.Errorf("log.schema_registry.url: %s is a link-local address, where no registry is", a)
	}
	return nil
}

// texts are the values in which references are resolved.
func (r *SchemaRegistry) texts() []*string {
	out := []*string{&r.URL, &r.Username, (*string)(&r.Password)}
	if t := r.TLS; t != nil {
		out = append(out, t.texts()...)
	}
	return out
}
