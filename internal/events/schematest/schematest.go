// Package schematest holds emitted events against the schemas of events/schemas. Only tests import it.
package schematest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schemas are the schemas of every type and version of event. A field that a schema does not describe is refused, although
// consumers have to tolerate it: what we emit is described.
type Schemas struct {
	compiled map[string]*jsonschema.Schema // by "<type>.<version>"
	examples map[string][]any
}

// Load reads the schemas, and fails the test when one is not of JSON Schema 2020-12, is not named after its $id, or has no
// example that fits it.
func Load(t testing.TB) *Schemas {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), "events", "schemas", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("events/schemas: %d files, %v", len(files), err)
	}
	s := &Schemas{compiled: map[string]*jsonschema.Schema{}, examples: map[string][]any{}}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		id := "urn:concord:event:" + strings.Replace(name, ".", ":", 1)
		top, _ := document.(map[string]any)
		if top["$id"] != id || top["$schema"] != "https://json-schema.org/draft/2020-12/schema" || top["title"] != strings.Split(name, ".")[0] {
			t.Fatalf("%s: $id is %q, $schema that of 2020-12, title the type", file, id)
		}
		shut(document)
		if err := compiler.AddResource(id, document); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if s.compiled[name], err = compiler.Compile(id); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		s.examples[name], _ = top["examples"].([]any)
		if len(s.examples[name]) == 0 {
			t.Errorf("%s has no example", file)
		}
		for _, example := range s.examples[name] {
			if err := s.compiled[name].Validate(example); err != nil {
				t.Errorf("%s: its example: %v", file, err)
			}
		}
	}
	return s
}

// shut refuses what a schema of an object does not describe.
func shut(node any) {
	switch node := node.(type) {
	case map[string]any:
		for _, inner := range node {
			shut(inner)
		}
		if _, object := node["properties"].(map[string]any); object && node["type"] == "object" {
			node["additionalProperties"] = false
		}
	case []any:
		for _, inner := range node {
			shut(inner)
		}
	}
}

// root gives the folder of the module.
func root(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	for ; err == nil && folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
	}
	t.Fatalf("no go.mod above the test: %v", err)
	return ""
}

// Types are the types that have a schema, each once.
func (s *Schemas) Types() map[string]bool {
	types := map[string]bool{}
	for name := range s.compiled {
		types[strings.Split(name, ".")[0]] = true
	}
	return types
}

// Examples are those of the first version of a type.
func (s *Schemas) Examples(detailType string) []any { return s.examples[detailType+".1"] }

// Check says what of an event's detail its schema does not allow; a type or version without a schema is an error.
func (s *Schemas) Check(detailType string, detail []byte) error {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(detail))
	if err != nil {
		return fmt.Errorf("%s: %w", detailType, err)
	}
	fields, ok := document.(map[string]any)
	if !ok {
		return errors.New(detailType + ": the detail is no object")
	}
	schema := s.compiled[fmt.Sprintf("%s.%v", detailType, fields["version"])]
	if schema == nil {
		return fmt.Errorf("no schema for %s in version %v", detailType, fields["version"])
	}
	return schema.Validate(document)
}
