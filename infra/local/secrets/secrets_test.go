package secrets_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"concord/infra/local/secrets"
	"concord/infra/local/template"
)

const arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:LinkSecret-local0"

func store(t *testing.T, g *template.GenerateSecretString) (*secrets.Store, *secretsmanager.Client) {
	t.Helper()
	s, err := secrets.New([]template.Secret{{LogicalID: "LinkSecret", Name: "LinkSecret", ARN: arn, Generate: g}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, secretsmanager.New(secretsmanager.Options{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		})})
}

func get(t *testing.T, c *secretsmanager.Client, id, stage string) string {
	t.Helper()
	in := &secretsmanager.GetSecretValueInput{SecretId: &id}
	if stage != "" {
		in.VersionStage = &stage
	}
	out, err := c.GetSecretValue(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(out.ARN) != arn || aws.ToString(out.Name) != "LinkSecret" || aws.ToString(out.VersionId) == "" || out.CreatedDate == nil {
		t.Errorf("got %+v", out)
	}
	return aws.ToString(out.SecretString)
}

func TestValueByNameAndARN(t *testing.T) {
	_, c := store(t, &template.GenerateSecretString{Length: 64, ExcludePunctuation: true, RequireEachType: true})
	byName, byARN := get(t, c, "LinkSecret", ""), get(t, c, arn, secrets.Current)
	if byName != byARN || len(byName) != 64 {
		t.Errorf("%q and %q", byName, byARN)
	}
	if strings.Trim(byName, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
		t.Error("punctuation was to be excluded")
	}
	_, other := store(t, &template.GenerateSecretString{Length: 64})
	if get(t, other, arn, "") == byName {
		t.Error("two stacks have one secret")
	}
}

func TestRotationKeepsThePreviousVersion(t *testing.T) {
	s, c := store(t, &template.GenerateSecretString{Length: 32})
	first := get(t, c, arn, "")
	if _, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn), VersionStage: aws.String(secrets.Previous)}); !notFound(err) {
		t.Errorf("before the first rotation: %v", err)
	}
	for range 2 {
		before := get(t, c, arn, "")
		if err := s.Rotate("LinkSecret"); err != nil {
			t.Fatal(err)
		}
		if now, previous := get(t, c, arn, ""), get(t, c, arn, secrets.Previous); previous != before || now == before {
			t.Errorf("after the rotation of %q: %q, previous %q", before, now, previous)
		}
	}
	if get(t, c, arn, secrets.Previous) == first {
		t.Error("a third version is kept")
	}
	if err := s.Rotate("Other"); err == nil {
		t.Error("an unknown secret was rotated")
	}
}

func notFound(err error) bool {
	_, ok := errors.AsType[*types.ResourceNotFoundException](err)
	return ok
}

func TestUnknownSecret(t *testing.T) {
	_, c := store(t, nil)
	if _, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("Other")}); !notFound(err) {
		t.Errorf("got %v", err)
	}
}

func TestOtherOperationIsRefused(t *testing.T) {
	_, c := store(t, nil)
	if _, err := c.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String(arn)}); err == nil {
		t.Error("it was answered")
	}
}

func TestSecretStringTemplate(t *testing.T) {
	_, c := store(t, &template.GenerateSecretString{Length: 20, SecretStringTemplate: `{"user":"u"}`, GenerateStringKey: "password"})
	var v map[string]string
	if err := json.Unmarshal([]byte(get(t, c, arn, "")), &v); err != nil || v["user"] != "u" || len(v["password"]) != 20 {
		t.Errorf("%v, %v", v, err)
	}
}

func TestGeneration(t *testing.T) {
	for range 20 {
		_, c := store(t, &template.GenerateSecretString{Length: 4, RequireEachType: true, ExcludeCharacters: "abc01"})
		v := get(t, c, arn, "")
		if len(v) != 4 || strings.ContainsAny(v, "abc01") || !strings.ContainsAny(v, "23456789") || !strings.ContainsAny(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			t.Fatalf("%q", v)
		}
	}
	if _, err := secrets.New([]template.Secret{{LogicalID: "S", Generate: &template.GenerateSecretString{Length: 2, RequireEachType: true}}}); err == nil {
		t.Error("two characters of four classes were made")
	}
}
