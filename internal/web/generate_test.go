package web_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"concord/internal/web"
)

// TestWhatGeneratorsNeed holds the document to what programs that write clients from it can read: each of these has broken one.
func TestWhatGeneratorsNeed(t *testing.T) {
	var d map[string]any
	if err := json.Unmarshal(web.Document(), &d); err != nil {
		t.Fatal(err)
	}
	components := d["components"].(map[string]any)
	names := map[string]string{}
	for _, kind := range []string{"schemas", "parameters", "responses"} {
		for name := range components[kind].(map[string]any) {
			if other, taken := names[strings.ToLower(name)]; taken {
				t.Errorf("%s of %s has the name of one of %s", name, kind, other)
			}
			names[strings.ToLower(name)] = kind
		}
	}
	operations := map[string]string{}
	eachOperation(d, func(route string, o map[string]any) {
		id, _ := o["operationId"].(string)
		if other, taken := operations[strings.ToLower(id)]; taken || id == "" {
			t.Errorf("%s: the operationId %q is that of %s", route, id, other)
		}
		operations[strings.ToLower(id)] = route
	})
	for _, tag := range d["tags"].([]any) {
		if tag.(map[string]any)["description"] == nil {
			t.Errorf("the tag %v says nothing", tag)
		}
	}
	walk("", d, func(at string, x map[string]any) {
		if strings.Contains(at, "/example") || strings.HasSuffix(at, "/properties") {
			return
		}
		for _, word := range []string{"allOf", "anyOf", "const"} {
			if x[word] != nil {
				t.Errorf("%s: %s", at, word)
			}
		}
		inside := strings.Contains(at, "/properties/") || strings.HasSuffix(at, "/items") || strings.HasPrefix(at, "/paths/")
		if inside && x["type"] == "object" && x["properties"] != nil {
			t.Errorf("%s: an object needs a name, among the schemas", at)
		}
		if x["type"] == "array" && x["items"] == nil {
			t.Errorf("%s: an array of what?", at)
		}
		if x["enum"] != nil && x["type"] == nil {
			t.Errorf("%s: of which type are the values?", at)
		}
		if x["in"] != nil && x["name"] != nil && x["description"] == nil {
			t.Errorf("%s: the parameter %v says nothing", at, x["name"])
		}
	})
}

// TestCodesOfTheDocument: the document describes every code, with an example of what is answered, and says of each response which are its own.
func TestCodesOfTheDocument(t *testing.T) {
	var d map[string]any
	if err := json.Unmarshal(web.Document(), &d); err != nil {
		t.Fatal(err)
	}
	components := d["components"].(map[string]any)
	described := map[string]int{}
	for code, e := range components["examples"].(map[string]any) {
		example := e.(map[string]any)
		value := example["value"].(map[string]any)
		described[code] = int(value["status"].(float64))
		if value["code"] != code || value["title"] != example["summary"] || example["description"] == "" {
			t.Errorf("the example of %s is %v", code, example)
		}
	}
	if known := web.Codes(); !maps.Equal(described, known) {
		t.Errorf("described are %v, answered %v", described, known)
	}
	schema := components["schemas"].(map[string]any)["Problem"].(map[string]any)["properties"].(map[string]any)["code"].(map[string]any)
	listed := texts(schema["x-extensible-enum"])
	slices.Sort(listed)
	if all := slices.Sorted(maps.Keys(described)); !slices.Equal(listed, all) {
		t.Errorf("Problem lists %v of %v", listed, all)
	}
	named := map[string]bool{}
	eachOperation(d, func(route string, o map[string]any) {
		for status, r := range o["responses"].(map[string]any) {
			response := r.(map[string]any)
			if ref, ok := response["$ref"].(string); ok {
				response = components["responses"].(map[string]any)[path.Base(ref)].(map[string]any)
			}
			content, _ := response["content"].(map[string]any)
			problem, found := content["application/problem+json"].(map[string]any)
			codes := texts(response["x-codes"])
			if found != (len(codes) > 0) || found && problem["examples"] == nil {
				t.Errorf("%s %s: codes and example of a problem go together, it has %v", route, status, codes)
			}
			for _, code := range codes {
				named[code] = true
				if strconv.Itoa(described[code]) != status {
					t.Errorf("%s %s: %s has the status %d", route, status, code, described[code])
				}
			}
		}
	})
	for code := range described {
		if !named[code] {
			t.Errorf("no operation answers %s", code)
		}
	}
}

func texts(list any) []string {
	values, _ := list.([]any)
	var all []string
	for _, v := range values {
		all = append(all, fmt.Sprint(v))
	}
	return all
}

func eachOperation(d map[string]any, visit func(route string, o map[string]any)) {
	for place, methods := range d["paths"].(map[string]any) {
		for method, o := range methods.(map[string]any) {
			visit(strings.ToUpper(method)+" "+place, o.(map[string]any))
		}
	}
}

// walk visits every object of the document, with where it stands.
func walk(at string, x any, visit func(at string, x map[string]any)) {
	switch x := x.(type) {
	case map[string]any:
		visit(at, x)
		for k, v := range x {
			walk(at+"/"+k, v, visit)
		}
	case []any:
		for i, v := range x {
			walk(at+"/"+strconv.Itoa(i), v, visit)
		}
	}
}
