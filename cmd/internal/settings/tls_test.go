package settings_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/freshet/freshet/cmd/internal/settings"
	"github.com/freshet/freshet/ingest/kafka/kafkatest"
)

// own writes a certificate and its key, each into its file.
func own(t *testing.T, cert, key string) {
	t.Helper()
	both, _ := kafkatest.Certificate(t)
	private, public := pem.Decode(both)
	for path, data := range map[string][]byte{cert: public, key: pem.EncodeToMemory(private)} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOwnCertificate: what is wrong with our certificate is said before a server is
// asked, with the setting and the file; one that is renewed is shown without a restart.
func TestOwnCertificate(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	own(t, in("cert.pem"), in("key.pem"))
	own(t, in("cert2.pem"), in("key2.pem"))
	for name, text := range map[string]string{"locked.pem": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "empty.pem": ""} {
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ cert, key, want string }{
		{"gone.pem", "key.pem", "x.tls.cert: open " + in("gone.pem")},
		{"cert.pem", "gone.pem", "x.tls.key: open " + in("gone.pem")},
		{"cert.pem", "key2.pem", fmt.Sprintf("x.tls: the certificate in %s with the key in %s: tls: private key does not match", in("cert.pem"), in("key2.pem"))},
		{"key.pem", "cert.pem", "switched"},
		{"cert.pem", "locked.pem", in("locked.pem") + " is encrypted with a passphrase"},
		{"empty.pem", "key.pem", in("empty.pem")},
	} {
		if _, err := (&settings.TLS{Cert: in(c.cert), Key: in(c.key)}).Config("x.tls"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %s: %v does not say %q", c.cert, c.key, err, c.want)
		}
	}
	if _, err := (&settings.TLS{Cert: in("cert.pem")}).Config("x.tls"); err == nil || !strings.Contains(err.Error(), "key: FILE") {
		t.Errorf("no key: %v", err)
	}

	ours := &settings.TLS{Cert: in("cert.pem"), Key: in("key.pem")}
	c, err := ours.Config("x.tls")
	if err != nil {
		t.Fatal(err)
	}
	shown := func() *x509.Certificate {
		t.Helper()
		pair, err := c.GetClientCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf
	}
	first := shown()
	own(t, in("cert.pem"), in("key3.pem")) // it is half replaced
	if !shown().Equal(first) {
		t.Error("a certificate without its key is shown")
	}
	if err := os.Rename(in("key3.pem"), in("key.pem")); err != nil {
		t.Fatal(err)
	}
	if shown().Equal(first) {
		t.Error("the old certificate is shown")
	}
	if until := ours.Outdated(time.Now()); !until.IsZero() {
		t.Errorf("it was good until %s", until)
	}
	if until := ours.Outdated(time.Now().Add(2 * time.Hour)); until.IsZero() {
		t.Error("in two hours it is still good")
	}
}
