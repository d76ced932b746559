package definition

import (
	"regexp"
	"strings"
)

// secretPattern is what keys, tokens and passwords look like. Definitions name
// connections; what opens them stands in the settings, as a reference.
var secretPattern = regexp.MustCompile(`AKIA[0-9A-Z]{16}` +
	`|-----BEGIN [A-Z ]*PRIVATE KEY-----` +
	`|\bgh[pousr]_[A-Za-z0-9]{30,}` +
	`|\bxox[abprs]-[A-Za-z0-9-]{10,}` +
	`|\bsk-[A-Za-z0-9_-]{20,}` +
	`|\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*` +
	`|[a-z][a-z0-9+.-]*://[^/\s:@"']*:[^/\s@"']+@` +
	`|(?i:\b(?:password|passwd|secret|secret_key|api_key|apikey|access_key|token)=[^\s"',}{=]{8,})`)

// refuseSecrets reports literals that look like keys, wherever they stand.
func (l *loader) refuseSecrets(src *source) {
	for i, line := range src.lines {
		if len(line) < 8 {
			continue
		}
		for _, at := range secretPattern.FindAllStringIndex(line, -1) {
			l.problems = append(l.problems, src.problem(i+1, at[0]+1, at[1]-at[0],
				"take it out and make it void where it was issued; connections and their secrets stand in freshet.yaml, as ${env:NAME}",
				"this looks like a secret"))
		}
	}
}

// maskSecrets hides them in what is printed, and keeps the length, so that
// columns stay right.
func maskSecrets(text string) string {
	if len(text) < 8 {
		return text
	}
	return secretPattern.ReplaceAllStringFunc(text, func(secret string) string { return strings.Repeat("*", len(secret)) })
}
