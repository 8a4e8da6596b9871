package apigw_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"concord/internal/apigw"
)

func TestCompression(t *testing.T) {
	long := strings.Repeat("Grüße ", 400)
	for name, c := range map[string]struct {
		accepts, contentType, body, vary string
		packed                           bool
		varies                           string
	}{
		"taken":               {accepts: "br, gzip;q=0.8", contentType: "application/json", body: long, packed: true, varies: "Accept-Encoding"},
		"anything":            {accepts: "*", contentType: "text/html; charset=utf-8", body: long, packed: true, varies: "Accept-Encoding"},
		"a problem":           {accepts: "gzip", contentType: "application/problem+json", body: long, packed: true, varies: "Accept-Encoding"},
		"beside Accept":       {accepts: "gzip", contentType: "application/json", body: long, vary: "Accept", packed: true, varies: "Accept, Accept-Encoding"},
		"refused":             {accepts: "gzip;q=0, *", contentType: "application/json", body: long, varies: "Accept-Encoding"},
		"refused with zeroes": {accepts: "gzip; q=0.000", contentType: "application/json", body: long, varies: "Accept-Encoding"},
		"not asked for":       {contentType: "application/json", body: long, varies: "Accept-Encoding"},
		"short":               {accepts: "gzip", contentType: "application/json", body: "{}"},
		"a picture":           {accepts: "gzip", contentType: "image/png", body: long},
	} {
		t.Run(name, func(t *testing.T) {
			answer := apigw.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.contentType)
				if c.vary != "" {
					w.Header().Set("Vary", c.vary)
				}
				_, _ = io.WriteString(w, c.body)
			}), "https://concord.example", slog.New(slog.DiscardHandler))
			event := apigw.Request{RawPath: "/", Headers: map[string]string{"accept-encoding": c.accepts}}
			event.RequestContext.HTTP.Method = http.MethodGet
			r, err := answer(context.Background(), event)
			if err != nil {
				t.Fatal(err)
			}
			body := []byte(r.Body)
			if r.IsBase64Encoded {
				if body, err = base64.StdEncoding.DecodeString(r.Body); err != nil {
					t.Fatal(err)
				}
			}
			if packed := r.Headers["Content-Encoding"] == "gzip"; packed != c.packed || packed && !r.IsBase64Encoded {
				t.Fatalf("headers %v, base64 %v", r.Headers, r.IsBase64Encoded)
			}
			if c.packed {
				if len(body) >= len(c.body) {
					t.Errorf("%d bytes of %d", len(body), len(c.body))
				}
				z, err := gzip.NewReader(bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if body, err = io.ReadAll(z); err != nil {
					t.Fatal(err)
				}
			}
			if string(body) != c.body || r.Headers["Vary"] != c.varies {
				t.Errorf("%d bytes, Vary %q", len(body), r.Headers["Vary"])
			}
		})
	}
}
