package definition

// File is one definition file: its path relative to the root, with slashes, and
// its bytes.
type File struct {
	Path string
	Data []byte
}

// Load parses and checks a whole project. The project is nil iff there are
// errors among the problems; warnings come beside a project.
func Load(files []File) (*Project, Problems) { panic("definition: being built") }

// Severity tells errors from warnings.
type Severity uint8

// Severities.
const (
	SeverityError Severity = iota
	SeverityWarning
)

// Problem is one thing that is wrong, at its place. Line is the text of the
// line that it is on, Width how many bytes the caret underlines, Hint the way out.
type Problem struct {
	Place    Place
	Severity Severity
	Message  string
	Line     string
	Width    int
	Hint     string
}

// Problems are in order of file, line and column.
type Problems []Problem
