package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
)

// openapiJSON is the contract, written by hand. The tests hold every answer and the routes of template.yaml against it.
//
//go:embed openapi.json
var openapiJSON []byte

// Document gives the OpenAPI document, for who wants to hold something against it.
func Document() []byte { return bytes.Clone(openapiJSON) }

func openAPI(c *call) error {
	sum := sha256.Sum256(openapiJSON)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	h := c.w.Header()
	h.Set("ETag", tag)
	h.Set("Cache-Control", "public, max-age=300")
	if c.has(tag) {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "application/json")
	_, _ = c.w.Write(openapiJSON)
	return nil
}

// health says that the function answers; it looks at nothing else.
func health(c *call) error {
	return c.give(http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}
