// Command slim reads the OpenAPI document and writes what the Go client of the repository is generated from: answers of 400
// and more are one error there (client.Refusal), and what a caller does not use is left out, headers of answers and the
// correlation id. The generator would otherwise write a type for each of some fifteen refusals of each operation.
package main

import (
	"encoding/json"
	"log"
	"os"
	"slices"
	"strings"
)

func main() {
	var document map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&document); err != nil {
		log.Fatal(err)
	}
	paths, _ := document["paths"].(map[string]any)
	for _, path := range paths {
		operations, _ := path.(map[string]any)
		for _, operation := range operations {
			if o, ok := operation.(map[string]any); ok {
				slim(o, document)
			}
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(document); err != nil {
		log.Fatal(err)
	}
}

// unused are the parameters that a caller of the client has no use for.
var unused = []string{"MS-CorrelationId", "If-None-Match"}

func slim(operation, document map[string]any) {
	responses, _ := operation["responses"].(map[string]any)
	for status, one := range responses {
		if !strings.HasPrefix(status, "2") {
			delete(responses, status)
			continue
		}
		r, _ := one.(map[string]any)
		if ref, ok := r["$ref"].(string); ok {
			r = at(document, ref)
			responses[status] = r
		}
		delete(r, "headers")
	}
	parameters, _ := operation["parameters"].([]any)
	var kept []any
	for _, one := range parameters {
		p, _ := one.(map[string]any)
		if ref, ok := p["$ref"].(string); ok {
			p = at(document, ref)
		}
		if name, _ := p["name"].(string); !slices.Contains(unused, name) {
			kept = append(kept, one)
		}
	}
	operation["parameters"] = kept
}

// at follows a reference within the document.
func at(document map[string]any, ref string) map[string]any {
	var here any = document
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		m, _ := here.(map[string]any)
		here = m[name]
	}
	m, _ := here.(map[string]any)
	return m
}
