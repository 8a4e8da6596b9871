package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// histories are the aggregates whose histories have typed actions: the type, and the one list of its values.
var histories = []struct{ room, kind, list string }{
	{"commerce", "Change", "Changes"}, {"partnership", "Action", "Actions"}, {"relationship", "Action", "Actions"},
}

// TestEveryActionIsListedAndDone: each action of a history is a constant in the list of its aggregate, and something does it; nothing is
// entered into a history by a word of its own.
func TestEveryActionIsListedAndDone(t *testing.T) {
	for _, h := range histories {
		t.Run(h.room, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join("..", "..", "internal", h.room, "*.go"))
			if err != nil {
				t.Fatal(err)
			}
			var declared, listed []string
			used := map[string]int{}
			for _, name := range files {
				if strings.HasSuffix(name, "_test.go") {
					continue
				}
				file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
				if err != nil {
					t.Fatal(err)
				}
				ast.Inspect(file, func(n ast.Node) bool {
					switch n := n.(type) {
					case *ast.Ident:
						used[n.Name]++
					case *ast.ValueSpec:
						if kind, ok := n.Type.(*ast.Ident); ok && kind.Name == h.kind {
							for _, c := range n.Names {
								declared = append(declared, c.Name)
							}
						}
						if n.Names[0].Name == h.list {
							for _, one := range n.Values[0].(*ast.CompositeLit).Elts {
								listed = append(listed, one.(*ast.Ident).Name)
							}
						}
					case *ast.KeyValueExpr:
						key, isName := n.Key.(*ast.Ident)
						word, isText := n.Value.(*ast.BasicLit)
						if isName && isText && key.Name == "Action" {
							t.Errorf("%s: the action %s is entered by a word: it is a constant in %s", name, word.Value, h.list)
						}
					}
					return true
				})
			}
			if slices.Sort(declared); len(declared) < 5 {
				t.Fatalf("found %q", declared)
			}
			if slices.Sort(listed); !slices.Equal(declared, listed) {
				t.Errorf("%s has %q, not %q", h.list, listed, declared)
			}
			for _, c := range declared { // once where it is declared, once in the list
				if used[c] < 3 {
					t.Errorf("nothing does %s", c)
				}
			}
		})
	}
}
