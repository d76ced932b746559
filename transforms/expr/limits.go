package expr

// The limits of an expression. What they bound together: parsing recurses to a
// fixed depth, a program is a small tree, and one evaluation takes time and
// memory in proportion to its input.
const (
	maxSource  = 4096    // bytes of source text
	maxNesting = 64      // brackets within brackets
	maxDepth   = 200     // operators within operators: a long chain of + or ?:
	maxPattern = 512     // bytes of a regular expression
	maxRegexp  = 1000    // instructions of a regular expression, repeats written out
	maxCost    = 5000    // units, see cost
	maxTexts   = 64      // texts that one text may be joined from
	maxText    = 1 << 20 // bytes of a text that an expression makes; a longer one fails
	maxParts   = 1000    // parts of a split; more fail
)
