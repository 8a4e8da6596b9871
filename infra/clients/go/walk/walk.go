// Package walk is what the walks with the generated clients share: a token, and who is invited.
package walk

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// URL is where the local stack answers.
func URL() string { return os.Getenv("CONCORD_URL") }

// Token asks the local stack's identity provider for a token of the partner alder.
func Token() string {
	form := url.Values{"grant_type": {"client_credentials"}}
	r, err := http.NewRequest(http.MethodPost, os.Getenv("CONCORD_TOKEN_URL"), strings.NewReader(form.Encode()))
	Must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("alder", "local")
	response, err := http.DefaultClient.Do(r)
	Must(err)
	defer response.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	Must(json.NewDecoder(response.Body).Decode(&token))
	return token.AccessToken
}

// Must ends the walk when something went wrong.
func Must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Want ends the walk when what was got is not what was wanted.
func Want[T comparable](what string, got, want T) {
	if got != want {
		log.Fatal(fmt.Errorf("%s: got %v, want %v", what, got, want))
	}
}
