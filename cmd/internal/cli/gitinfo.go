package cli

import (
	"context"
	"os/exec"
	"os/user"
	"strings"
)

// commitInfo is what Git says of the folder that is applied.
type commitInfo struct {
	Commit string `json:"commit"` // "" outside a work tree; "+dirty" is added where files differ from it
	Author string `json:"author"`
}

// gitInfo asks git; a folder outside a work tree, or a machine without git, has
// no commit and the user as author.
func gitInfo(ctx context.Context, dir string) commitInfo {
	out, err := git(ctx, dir, "log", "-1", "--format=%H%n%an <%ae>", "--", ".")
	lines := strings.SplitN(out, "\n", 2)
	if err != nil || len(lines) != 2 {
		name := "unknown"
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
		return commitInfo{Author: name}
	}
	info := commitInfo{Commit: lines[0], Author: lines[1]}
	if dirty, err := git(ctx, dir, "status", "--porcelain", "--", "."); err == nil && dirty != "" {
		info.Commit += "+dirty"
	}
	return info
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	return strings.TrimSpace(string(out)), err
}
