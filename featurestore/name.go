package featurestore

import (
	"fmt"
	"regexp"
	"strings"
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// CheckName says what is wrong with the name of a definition, key, field or
// feature: lower-case letters, digits and single underscores, a letter first,
// 63 characters at most.
func CheckName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("name %q must match %s", name, namePattern)
	}
	if strings.Contains(name, "__") {
		return fmt.Errorf("name %q must not contain \"__\": it separates view and feature in column names", name)
	}
	return nil
}

// ColumnName is the name of a view's feature in answers, training sets and
// logs. prefix is the view's name, or the role that it plays.
func ColumnName(prefix, feature string) string { return prefix + "__" + feature }
