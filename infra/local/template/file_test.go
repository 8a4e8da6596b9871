package template

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestReadParameters(t *testing.T) {
	want := map[string]string{"Issuer": "https://id.example", "MailRate": "200", "AllowMessage": "true", "SignInClaims": `{"roles":"wids"}`}
	file := filepath.Join(t.TempDir(), "p.json")
	for name, text := range map[string]string{
		"an object": `{"Issuer":"https://id.example","MailRate":200,"AllowMessage":true,"SignInClaims":{"roles":"wids"}}`,
		"the list of the AWS CLI": `[{"ParameterKey":"Issuer","ParameterValue":"https://id.example"},{"ParameterKey":"MailRate","ParameterValue":"200"},
			{"ParameterKey":"AllowMessage","ParameterValue":"true"},{"ParameterKey":"SignInClaims","ParameterValue":"{\"roles\":\"wids\"}"}]`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadParameters(file); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, text := range []string{"", "Issuer=https://id.example", `"x"`, "null x"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadParameters(file); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	if _, err := ReadParameters(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there is taken")
	}
}
