package pages

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"concord/internal/locale"
)

// shown walks the code from the forms on, and gives the keys of all texts that it can put on them.
type shown struct {
	funcs map[string][]*ast.FuncDecl
	vars  map[string]ast.Expr
	// fields are the values of the fields of tables, by the name of the field.
	fields map[string][]ast.Expr
	seen   map[string]bool
	keys   map[string]bool
}

func (s *shown) read(t *testing.T, folder string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(folder, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				s.funcs[d.Name.Name] = append(s.funcs[d.Name.Name], d)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && len(v.Values) == 1 {
						s.vars[v.Names[0].Name] = v.Values[0]
						s.table(v.Values[0])
					}
				}
			}
		}
	}
}

// tables have a row for each kind of invitation, or are such a row.
var tables = map[string]bool{"kind": true, "phrases": true}

// table takes the fields of a table.
func (s *shown) table(of ast.Expr) {
	lit, ok := of.(*ast.CompositeLit)
	if !ok {
		return
	}
	if m, is := lit.Type.(*ast.MapType); is {
		if row, is := m.Value.(*ast.Ident); is && tables[row.Name] {
			for _, each := range lit.Elts {
				if kv, is := each.(*ast.KeyValueExpr); is {
					s.row(kv.Value)
				}
			}
		}
		return
	}
	if row, is := lit.Type.(*ast.Ident); is && tables[row.Name] {
		s.row(of)
	}
}

func (s *shown) row(of ast.Expr) {
	lit, ok := of.(*ast.CompositeLit)
	if !ok {
		return
	}
	for _, each := range lit.Elts {
		if kv, is := each.(*ast.KeyValueExpr); is {
			if field, is := kv.Key.(*ast.Ident); is {
				s.fields[field.Name] = append(s.fields[field.Name], kv.Value)
			}
		}
	}
}

var key = regexp.MustCompile(`^(order|page|right)\.[a-z.-]+$`)

// walk takes what looks like a key, and goes on with whatever is called or looked up.
func (s *shown) walk(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && key.MatchString(text) {
				s.keys[text] = true
			}
		case *ast.CallExpr:
			switch callee := n.Fun.(type) {
			case *ast.Ident:
				s.call(callee.Name)
			case *ast.SelectorExpr: // a method of the page, or what the package letter says
				if of, ok := callee.X.(*ast.Ident); ok && (of.Name == "p" || of.Name == "letter") {
					s.call(callee.Sel.Name)
				}
			}
		case *ast.SelectorExpr: // a field of a table of keys, or a method that one names
			if _, is := n.X.(*ast.ParenExpr); is {
				s.call(n.Sel.Name)
			}
			if field := "." + n.Sel.Name; s.fields[n.Sel.Name] != nil && !s.seen[field] {
				s.seen[field] = true
				for _, value := range s.fields[n.Sel.Name] {
					s.walk(value)
				}
			}
		case *ast.Ident: // keys that rows share
			if v, is := s.vars[n.Name].(*ast.CompositeLit); is && !s.seen[n.Name] {
				if _, is := v.Type.(*ast.ArrayType); is {
					s.seen[n.Name] = true
					s.walk(v)
				}
			}
		case *ast.IndexExpr: // a table of keys
			if of, ok := n.X.(*ast.Ident); ok && s.vars[of.Name] != nil && !s.rows(of.Name) {
				s.walk(s.vars[of.Name])
			}
		}
		return true
	})
}

// rows reports whether a table has rows, of which single fields are looked up.
func (s *shown) rows(name string) bool {
	lit, _ := s.vars[name].(*ast.CompositeLit)
	if lit == nil {
		return false
	}
	m, _ := lit.Type.(*ast.MapType)
	if m == nil {
		return false
	}
	row, _ := m.Value.(*ast.Ident)
	return row != nil && tables[row.Name]
}

// call goes on with what is called, once.
func (s *shown) call(name string) {
	if s.seen[name] {
		return
	}
	s.seen[name] = true
	for _, f := range s.funcs[name] {
		if f.Body != nil {
			s.walk(f.Body)
		}
	}
}

// TestEveryTextOfTheFormsIsInTheConsent: whatever the forms say, by their code or by their templates, is among the
// words whose hash an answer records (invariant 14), in every language.
func TestEveryTextOfTheFormsIsInTheConsent(t *testing.T) {
	s := &shown{map[string][]*ast.FuncDecl{}, map[string]ast.Expr{}, map[string][]ast.Expr{}, map[string]bool{}, map[string]bool{}}
	s.read(t, ".")
	s.read(t, filepath.Join("..", "letter"))
	// What is wrong with a form, and what other pages show, is no part of it.
	for _, other := range []string{"complaint"} {
		s.seen[other] = true
	}
	for _, root := range []string{"form", "granularForm"} {
		s.seen[root] = true
		for _, f := range s.funcs[root] {
			if f.Recv == nil {
				s.walk(f.Body)
			}
		}
	}
	used := regexp.MustCompile(`\.T "([^"]+)"`)
	for _, name := range []string{"form", "answer", "granular"} {
		source, err := os.ReadFile(filepath.Join("templates", name+".html"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range used.FindAllStringSubmatch(string(source), -1) {
			s.keys[m[1]] = true
		}
	}
	// The number of the step, and what is wrong with a form.
	maps.DeleteFunc(s.keys, func(k string, _ bool) bool { return k == "page.step" || strings.HasPrefix(k, "page.error.") })
	for _, must := range []string{"page.form.choice", "page.form.choice.dual", "page.granular.choice", "page.form.authority", "right.choice.global", "page.consent.care", "order.provider",
		"page.reason.no-need", "page.agreement.sign", "page.consent.granular.all"} {
		if !s.keys[must] {
			t.Errorf("the walk does not come to %s", must)
		}
	}
	for _, tag := range locale.Tags {
		hashed := map[string]bool{}
		for _, group := range consentWords {
			for k := range locale.For(tag).Texts(group) {
				hashed[k] = true
			}
		}
		for _, k := range slices.Sorted(maps.Keys(s.keys)) {
			if !hashed[k] && !hashed[k+".other"] {
				t.Errorf("%s: %s stands on a form and is not in the hash", tag, k)
			}
		}
	}
	t.Logf("%d texts", len(s.keys))
}
