package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNothingIsCompiledBeforeItIsNeeded: no package of a function compiles a regular expression when it is loaded. Every cold start of every
// function that imports it would pay; sync.OnceValue has the first who needs it pay (architecture, decision 10).
func TestNothingIsCompiledBeforeItIsNeeded(t *testing.T) {
	files := 0
	for _, folder := range []string{"internal", "functions"} {
		err := filepath.WalkDir(filepath.Join("../..", folder), func(name string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") ||
				strings.Contains(name, "contracttest") {
				return err
			}
			files++
			for _, at := range compiledEarly(t, name, nil) {
				t.Errorf("%s: a regular expression is compiled when the package is loaded: make it a sync.OnceValue", at)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Errorf("%d files", files)
	}
	const early = "package x\n\nimport \"regexp\"\n\nvar a = regexp.MustCompile(`a`)\nvar b = func() *regexp.Regexp { return regexp.MustCompile(`b`) }\n"
	if found := compiledEarly(t, "x.go", early); len(found) != 1 || !strings.Contains(found[0], "x.go:5") {
		t.Errorf("found %v", found)
	}
}

// compiledEarly gives where a file compiles a regular expression outside of every function.
func compiledEarly(t *testing.T, name string, source any) (found []string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		ast.Inspect(g, func(n ast.Node) bool {
			if _, inside := n.(*ast.FuncLit); inside {
				return false
			}
			call, ok := n.(*ast.SelectorExpr)
			if from, isName := callee(call, ok); isName && from == "regexp" && strings.HasPrefix(call.Sel.Name, "MustCompile") {
				found = append(found, set.Position(n.Pos()).String())
			}
			return true
		})
	}
	return found
}

func callee(s *ast.SelectorExpr, ok bool) (string, bool) {
	if !ok {
		return "", false
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return "", false
	}
	return x.Name, true
}
