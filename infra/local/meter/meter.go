// Package meter counts what functions ask of DynamoDB: requests, and the capacity units that the engine says they took,
// on the table and
// on each index. It stands between the functions and the engine, so that nothing that they do is left out.
package meter

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Row is what one function took with one kind of request.
type Row struct {
	Function  string `json:"function"`  // the logical id
	Operation string `json:"operation"` // of DynamoDB, with the error after it where there was one
	Item      string `json:"item"`      // the kinds of items by how their keys begin, or the index
	Requests  int    `json:"requests"`
	// Writes and Reads are capacity units by "table" or the name of an index. A condition that was refused has none:
	// DynamoDB bills it as the
	// write that it would have been, and does not say so.
	Writes map[string]float64 `json:"writes,omitempty"`
	Reads  map[string]float64 `json:"reads,omitempty"`
}

// Meter adds up. Its zero value is ready.
type Meter struct {
	mu   sync.Mutex
	rows map[[3]string]*Row
}

// Take gives what was counted since the last time, in the order of functions, operations and items.
func (m *Meter) Take() []Row {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Row
	for _, r := range m.rows {
		all = append(all, *r)
	}
	m.rows = nil
	slices.SortFunc(all, func(a, b Row) int {
		return strings.Compare(a.Function+"\x00"+a.Operation+"\x00"+a.Item, b.Function+"\x00"+b.Operation+"\x00"+b.Item)
	})
	return all
}

// Total is the sum of rows.
func Total(rows []Row) (requests int, writes, reads float64) {
	for _, r := range rows {
		requests += r.Requests
		for _, n := range r.Writes {
			writes += n
		}
		for _, n := range r.Reads {
			reads += n
		}
	}
	return requests, writes, reads
}

// metered are the operations that say what they consumed, and whether that is writes.
var metered = map[string]bool{
	"GetItem": false, "BatchGetItem": false, "Query": false, "Scan": false, "TransactGetItems": false,
	"PutItem": true, "UpdateItem": true, "DeleteItem": true, "TransactWriteItems": true, "BatchWriteItem": true,
}

var credential = regexp.MustCompile(`Credential=([^/]+)/`)

// Before stands before what answers as DynamoDB does.
func (m *Meter) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		writes, counted := metered[operation]
		if !counted {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var asked map[string]json.RawMessage
		if json.Unmarshal(body, &asked) == nil {
			asked["ReturnConsumedCapacity"] = json.RawMessage(`"INDEXES"`)
			if b, err := json.Marshal(asked); err == nil {
				body = b
			}
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		function := ""
		if c := credential.FindStringSubmatch(r.Header.Get("Authorization")); c != nil {
			function = c[1]
		}
		m.note(function, operation, item(operation, asked), writes, answer.Code, answer.Body.Bytes())
		for k, v := range answer.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// capacity is what DynamoDB says of one table.
type capacity struct {
	Table                  struct{ CapacityUnits float64 }
	GlobalSecondaryIndexes map[string]struct{ CapacityUnits float64 }
}

func (m *Meter) note(function, operation, item string, writes bool, status int, answer []byte) {
	var said struct {
		ConsumedCapacity json.RawMessage
		Type             string `json:"__type"`
	}
	_ = json.Unmarshal(answer, &said)
	var all []capacity
	if len(said.ConsumedCapacity) > 0 && json.Unmarshal(said.ConsumedCapacity, &all) != nil {
		all = make([]capacity, 1)
		_ = json.Unmarshal(said.ConsumedCapacity, &all[0])
	}
	if status != http.StatusOK {
		operation += " " + said.Type[strings.LastIndex(said.Type, "#")+1:]
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := [3]string{function, operation, item}
	if m.rows == nil {
		m.rows = map[[3]string]*Row{}
	}
	if m.rows[key] == nil {
		m.rows[key] = &Row{Function: function, Operation: operation, Item: item, Writes: map[string]float64{},
			Reads: map[string]float64{}}
	}
	r := m.rows[key]
	r.Requests++
	units := r.Reads
	if writes {
		units = r.Writes
	}
	for _, c := range all {
		units["table"] += c.Table.CapacityUnits
		for index, i := range c.GlobalSecondaryIndexes {
			units[index] += i.CapacityUnits
		}
	}
}

var keys = regexp.MustCompile(`"(?:pk|sk)":\{"S":"([A-Z]+)(?:[#"])`)

var values = regexp.MustCompile(`"S":"([A-Z][A-Za-z]*)(?:[#"])`)

// item says what a request is for, without anything that tells one item from another of its kind.
func item(operation string, asked map[string]json.RawMessage) string {
	if operation == "Query" {
		if index := strings.Trim(string(asked["IndexName"]), `"`); index != "" {
			return "index " + index
		}
	}
	of := func(parts ...json.RawMessage) string {
		var found []string
		for _, p := range parts {
			for _, k := range keys.FindAllSubmatch(p, -1) {
				found = append(found, string(k[1]))
			}
		}
		return strings.Join(found, " ")
	}
	switch operation {
	case "PutItem":
		return of(asked["Item"])
	case "GetItem", "UpdateItem", "DeleteItem":
		return of(asked["Key"])
	case "TransactWriteItems":
		return of(asked["TransactItems"])
	case "BatchGetItem":
		return of(asked["RequestItems"])
	}
	var found []string
	for _, k := range values.FindAllSubmatch(asked["ExpressionAttributeValues"], -1) {
		found = append(found, string(k[1]))
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}
