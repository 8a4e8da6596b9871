package awsenv

import "testing"

func TestConfig(t *testing.T) {
	for name, value := range map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session"} {
		t.Setenv(name, value)
	}
	cfg := Config()
	if cfg.Region != "eu-west-1" {
		t.Errorf("region %q", cfg.Region)
	}
	got, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "id" || got.SecretAccessKey != "secret" || got.SessionToken != "session" || got.CanExpire {
		t.Errorf("credentials of another role: %v", err)
	}
}

func TestEndpoint(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000")
	t.Setenv("AWS_ENDPOINT_URL_SESV2", "")
	if e := Endpoint("DYNAMODB"); e == nil || *e != "http://127.0.0.1:8000" {
		t.Errorf("Endpoint(DYNAMODB) = %v", e)
	}
	for _, service := range []string{"SESV2", "SECRETS_MANAGER"} {
		if e := Endpoint(service); e != nil {
			t.Errorf("Endpoint(%s) = %q, want that of the region", service, *e)
		}
	}
}
