package invitation

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEveryActionIsInTheList: what the source enters into a timeline by a word is in the list, with who does it. An action that is not
// would be said to be a job's, and no document would have it.
func TestEveryActionIsInTheList(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if entry, ok := n.(*ast.KeyValueExpr); ok {
				key, isName := entry.Key.(*ast.Ident)
				text, isText := entry.Value.(*ast.BasicLit)
				if isName && isText && key.Name == "Action" {
					word, err := strconv.Unquote(text.Value)
					if err != nil {
						t.Error(err)
					}
					written = append(written, word)
				}
			}
			return true
		})
	}
	written = append(written, "created", "reset", "done", "sent", "resent") // by the names of their commands
	if len(written) < 12 || !slices.Contains(written, "mail failed") {
		t.Fatalf("found %q", written)
	}
	for _, action := range written {
		if _, ok := Actions[action]; !ok {
			t.Errorf("%q is not in Actions", action)
		}
	}
}
