package definition

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/freshet/freshet/featurestore"
)

// The kinds of document.
const (
	kindEntity         = "Entity"
	kindStreamSource   = "StreamSource"
	kindBatchSource    = "BatchSource"
	kindStreamView     = "StreamView"
	kindBatchView      = "BatchView"
	kindOnDemandView   = "OnDemandView"
	kindFeatureService = "FeatureService"
	kindTest           = "Test"
)

// Kinds are the kinds of document, in the order in which they build on each other.
func Kinds() []string {
	return []string{kindEntity, kindStreamSource, kindBatchSource, kindStreamView, kindBatchView, kindOnDemandView, kindFeatureService, kindTest}
}

// grammar is the definition language: a shape for each kind.
func grammar() map[string]*shape {
	g := map[string]*shape{
		kindEntity:         entityShape(),
		kindStreamSource:   streamSourceShape(),
		kindBatchSource:    batchSourceShape(),
		kindStreamView:     streamViewShape(),
		kindBatchView:      batchViewShape(),
		kindOnDemandView:   onDemandViewShape(),
		kindFeatureService: serviceShape(),
		kindTest:           testShape(),
	}
	for _, kind := range Kinds() {
		g[kind].fields = append(headerFields(kind), g[kind].fields...)
	}
	return g
}

func headerFields(kind string) []field {
	return []field{
		{key: "kind", shape: &shape{is: "text", form: formScalar, tags: []string{tagString}, words: []string{kind}}, need: true, doc: "write kind: " + kind},
		{key: "name", shape: nameShape(), need: true, doc: "write name: a_name of lower-case letters, digits and underscores"},
		{key: "description", shape: textShape(), doc: "What it is, for people."},
		{key: "owner", shape: textShape(), doc: "Who answers for it."},
		{key: "tags", shape: dictOf(textShape(), textShape(), 0), doc: "Free labels."},
		{key: "deprecated", doc: "It should no longer be used.", shape: object("a mapping of since, use and reason",
			field{key: "since", shape: textShape(), doc: "Since when."},
			field{key: "use", shape: textShape(), doc: "What to use instead."},
			field{key: "reason", shape: textShape(), doc: "Why."})},
	}
}

func object(is string, fields ...field) *shape {
	return &shape{is: is, form: formObject, fields: fields}
}

func listOf(elem *shape, least int) *shape {
	return &shape{is: "a list", form: formList, elem: elem, min: least}
}

func dictOf(keys, elem *shape, least int) *shape {
	return &shape{is: "a mapping", form: formObject, keys: keys, elem: elem, min: least}
}

func anyOf(is string, alts ...*shape) *shape { return &shape{is: is, alts: alts} }

func textShape() *shape {
	return &shape{is: "text", form: formScalar, tags: []string{tagString}}
}

func filledTextShape(is string) *shape {
	return &shape{is: is, form: formScalar, tags: []string{tagString}, pattern: `\S`, check: func(text string) error {
		if strings.TrimSpace(text) == "" {
			return fmt.Errorf("%q is empty", text)
		}
		return nil
	}}
}

func expressionShape() *shape { return filledTextShape("an expression") }

func checkedText(is, pattern string, check func(string) error) *shape {
	return &shape{is: is, form: formScalar, tags: []string{tagString}, pattern: pattern, check: check}
}

const namePattern = `^[a-z][a-z0-9_]{0,62}$`

func nameShape() *shape {
	s := checkedText("a name", namePattern, checkName)
	s.hint = nameHint
	return s
}

// maxName is the longest name that namePattern takes.
const maxName = 63

func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("the name %s has %d characters; %d are allowed", quoted(name), len(name), maxName)
	}
	return featurestore.CheckName(name)
}

// nameHint gives the nearest name that is allowed.
func nameHint(name string) string {
	for _, r := range name {
		if r > unicode.MaxASCII {
			return fmt.Sprintf("%q is %U, not a letter a-z", r, r)
		}
	}
	near := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
	near = strings.Join(strings.FieldsFunc(near, func(r rune) bool { return r == '_' }), "_")
	if featurestore.CheckName(near) != nil {
		return "write lower-case letters, digits and underscores, a letter first"
	}
	return "write " + near
}

// variableShape is a name that expressions use, so that it may not be one of
// their own words.
func variableShape() *shape {
	s := checkedText("a name", namePattern, func(name string) error {
		if err := checkName(name); err != nil {
			return err
		}
		if strings.Contains(" false in null true as break const continue else for function if import let loop package namespace return var void while ", " "+name+" ") {
			return fmt.Errorf("name %q is a word of the expression language", name)
		}
		return nil
	})
	s.hint = func(name string) string {
		if featurestore.CheckName(name) == nil {
			return "choose another name"
		}
		return nameHint(name)
	}
	return s
}

func wordShape(is string, words, later []string) *shape {
	return &shape{is: is, form: formScalar, tags: []string{tagString}, words: words, later: later}
}

func durationShape() *shape {
	return checkedText("a duration, as 90s, 5m, 1h or 30d", `^[0-9]+(us|ms|s|m|h|d)$`, checkDuration)
}

// lengthShape is a duration above zero.
func lengthShape() *shape {
	s := durationShape()
	s.check = func(text string) error {
		d, err := featurestore.ParseDuration(text)
		if err == nil && d == 0 {
			return fmt.Errorf("duration %q is nothing: write a time above 0, or remove the key", text)
		}
		return checkDuration(text)
	}
	return s
}

// maxDuration keeps sums of durations far from the end of int64.
const maxDuration = 36500 * featurestore.Day

func checkDuration(text string) error {
	d, err := featurestore.ParseDuration(text)
	if err == nil && d > maxDuration {
		return fmt.Errorf("duration %q is too long: write at most %s", text, maxDuration)
	}
	return err
}

func boolShape() *shape {
	return &shape{is: "true or false", form: formScalar, tags: []string{tagBool}}
}

func onlyTrueShape() *shape {
	return &shape{is: "true", form: formScalar, tags: []string{tagBool}, words: []string{"true"}}
}

func numberShape() *shape {
	return &shape{is: "a number", form: formScalar, tags: []string{tagInt, tagFloat}}
}

// wholeShape is a whole number within bounds.
func wholeShape(least, most int64) *shape {
	return &shape{is: fmt.Sprintf("a whole number from %d to %d", least, most), form: formScalar, tags: []string{tagInt}, least: least, most: most, check: func(text string) error {
		_, err := parseWhole(text, least, most)
		return err
	}}
}

func nullShape() *shape { return &shape{is: "null", form: formScalar, tags: []string{tagNull}} }

func anyShape() *shape { return &shape{is: "a value", any: true} }

func zoneShape() *shape {
	return checkedText("a time zone, as America/New_York", "", func(name string) error {
		if name == "" || name == "Local" {
			return fmt.Errorf("%q is not a time zone: write a name as UTC or America/New_York", name)
		}
		if _, err := time.LoadLocation(name); err != nil {
			return fmt.Errorf("unknown time zone %q: write a name as UTC or America/New_York", name)
		}
		return nil
	})
}
