package keyring

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"concord/internal/awsenv"
	"concord/internal/link"
	"concord/internal/publicid"
)

const (
	first  = "a-master-secret-of-forty-characters-0001"
	second = "a-master-secret-of-forty-characters-0002"
	third  = "a-master-secret-of-forty-characters-0003"
)

var letter = link.Link{Tenant: "0a1b2c3d-4e5f-4a7b-8c9d-0e1f2a3b4c5d", ID: publicid.Format("inv_", [16]byte{1}), Generation: 1}

// secretsManager answers GetSecretValue as the service does over HTTP.
type secretsManager struct {
	mu     sync.Mutex
	stages map[string]string
	status int // not 0: what every call gets
	calls  int
}

func (m *secretsManager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	var in struct{ SecretId, VersionStage string }
	answer := func(status int, body map[string]any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
	switch {
	case m.status != 0:
		answer(m.status, map[string]any{"__type": "InternalServiceError", "Message": "An error occurred on the server side."})
	case r.Method != http.MethodPost, r.Header.Get("X-Amz-Target") != "secretsmanager.GetSecretValue", !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=id/"),
		json.NewDecoder(r.Body).Decode(&in) != nil, in.SecretId != "concord/master":
		answer(http.StatusBadRequest, map[string]any{"__type": "InvalidRequestException", "Message": "Not a request of ours."})
	case m.stages[in.VersionStage] == "":
		answer(http.StatusBadRequest, map[string]any{"__type": "ResourceNotFoundException", "Message": "Secrets Manager can't find the specified secret value for staging label: " + in.VersionStage})
	default:
		answer(http.StatusOK, map[string]any{"ARN": "arn:aws:secretsmanager:eu-west-1:000000000000:secret:concord/master-AbCdEf", "Name": "concord/master",
			"SecretString": m.stages[in.VersionStage], "VersionId": "0a1b2c3d-4e5f-4a7b-8c9d-0e1f2a3b4c5e", "VersionStages": []string{in.VersionStage}, "CreatedDate": 1.7e9})
	}
}

// rotate makes a secret the current one, as Secrets Manager does, or the only one.
func (m *secretsManager) rotate(current, previous string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stages = map[string]string{"AWSCURRENT": current, "AWSPREVIOUS": previous}
}

func (m *secretsManager) fail(status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = status
}

func (m *secretsManager) counted() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.calls
	m.calls = 0
	return n
}

func start(t *testing.T, current, previous string) (*secretsManager, func() *Source) {
	t.Helper()
	m := &secretsManager{}
	m.rotate(current, previous)
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{"AWS_ENDPOINT_URL_SECRETS_MANAGER": server.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": ""} {
		t.Setenv(name, value)
	}
	return m, func() *Source {
		cfg := awsenv.Config()
		cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
		return New(cfg, "concord/master")
	}
}

// pass lets time go by for a source.
func (s *Source) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readAt = s.readAt.Add(-d)
}

func token(t *testing.T, s *Source) string {
	t.Helper()
	got, err := s.Sign(t.Context(), link.Answer, letter)
	if err != nil {
		t.Fatal(err)
	}
	return got.Reveal()
}

func verifies(t *testing.T, s *Source, token string) {
	t.Helper()
	if l, err := s.Verify(t.Context(), link.Answer, token); err != nil || l != letter {
		t.Errorf("Verify = %+v, %v", l, err)
	}
}

func TestTheSecretIsReadOnFirstUseAndKept(t *testing.T) {
	m, source := start(t, first, "")
	s := source()
	if n := m.counted(); n != 0 {
		t.Errorf("%d calls before the first use", n)
	}
	for range 3 {
		verifies(t, s, token(t, s))
	}
	if n := m.counted(); n != 1 { // the previous one is nobody's concern
		t.Errorf("%d calls", n)
	}
	s.pass(keep)
	verifies(t, s, token(t, s))
	if n := m.counted(); n != 1 {
		t.Errorf("%d calls after five minutes", n)
	}
}

func TestEachUseHasItsOwnKey(t *testing.T) {
	m, source := start(t, first, "")
	all, err := source().Keys(t.Context(), "link")
	if err != nil {
		t.Fatal(err)
	}
	older := all[0].ID
	m.rotate(second, first)
	s := source()
	seen := map[string]string{}
	for _, use := range []string{"link", "cursor", "session"} {
		keys, err := s.Keys(t.Context(), use, older)
		if err != nil || len(keys) != 2 {
			t.Fatalf("Keys(%q) = %d keys, %v", use, len(keys), err)
		}
		again, err := source().Keys(t.Context(), use, older)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range keys {
			if len(k.Secret) != 32 || k.ID != again[i].ID || string(k.Secret) != string(again[i].Secret) {
				t.Errorf("key %d of %q is another in another sandbox", i, use)
			}
			if other, twice := seen[string(k.Secret)]; twice {
				t.Errorf("%q and %q share a key", use, other)
			}
			seen[string(k.Secret)] = use
		}
	}
}

func TestRotation(t *testing.T) {
	m, source := start(t, first, "")
	before := source()
	older := token(t, before)
	m.rotate(second, first)
	after := source()
	younger := token(t, after)
	if older == younger {
		t.Fatal("the older key still signs")
	}
	verifies(t, after, older)
	m.counted()

	t.Run("a sandbox that started before reads again for a younger link", func(t *testing.T) {
		before.pass(rereadGap)
		verifies(t, before, younger)
		if n := m.counted(); n != 2 {
			t.Errorf("%d calls", n)
		}
		verifies(t, before, older)
		if got := token(t, before); got != younger {
			t.Error("it still signs with the older key")
		}
		m.counted()
	})
	t.Run("garbled tokens do not make it read more often than every ten seconds", func(t *testing.T) {
		keys, err := before.Keys(t.Context(), "link")
		if err != nil {
			t.Fatal(err)
		}
		stranger := link.Key{Secret: []byte(third)}
		for slices.ContainsFunc(keys, func(k link.Key) bool { return k.ID == stranger.ID }) {
			stranger.ID++
		}
		foreign, err := link.NewSigner(stranger).Sign(link.Answer, letter)
		if err != nil {
			t.Fatal(err)
		}
		garbled := foreign.Reveal()
		for range 20 {
			if _, err := before.Verify(t.Context(), link.Answer, garbled); !errors.Is(err, link.ErrMalformed) {
				t.Fatalf("%v", err)
			}
		}
		before.pass(rereadGap - 2*time.Second)
		_, _ = before.Verify(t.Context(), link.Answer, garbled)
		if n := m.counted(); n != 0 {
			t.Errorf("%d calls", n)
		}
		before.pass(2 * time.Second)
		_, _ = before.Verify(t.Context(), link.Answer, garbled)
		if n := m.counted(); n != 2 {
			t.Errorf("%d calls after ten seconds", n)
		}
	})
	t.Run("two rotations later the link is over", func(t *testing.T) {
		m.rotate(third, second)
		s := source()
		if _, err := s.Verify(t.Context(), link.Answer, older); !errors.Is(err, link.ErrMalformed) {
			t.Errorf("%v", err)
		}
		verifies(t, s, younger)
	})
}

func TestNoPreviousSecret(t *testing.T) {
	_, source := start(t, first, "")
	keys, err := source().Keys(t.Context(), "cursor")
	if err != nil || len(keys) != 1 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

func TestASecretThatCannotBeReadIsNoMalformedToken(t *testing.T) {
	m, source := start(t, first, "")
	good := token(t, source())
	for _, c := range []struct {
		name              string
		current, previous string
		status            int
		says              string
	}{
		{"no secret", "", "", 0, "AWSCURRENT"},
		{"an outage", first, "", http.StatusInternalServerError, "InternalServiceError"},
		{"a secret that is too short", "short", "", 0, "fewer than 32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m.rotate(c.current, c.previous)
			m.fail(c.status)
			s := source()
			_, verr := s.Verify(t.Context(), link.Answer, good)
			_, serr := s.Sign(t.Context(), link.Answer, letter)
			_, kerr := s.Keys(t.Context(), "cursor")
			for _, err := range []error{verr, serr, kerr} {
				if err == nil || errors.Is(err, link.ErrMalformed) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v", err)
				}
				if err != nil && (strings.Contains(err.Error(), first) || strings.Contains(err.Error(), "short\"")) {
					t.Error("the error shows the secret")
				}
			}
			m.rotate(first, "")
			m.fail(0)
			verifies(t, s, good) // it recovers without a restart
		})
	}
}

// Who holds an older link waits for the previous secret, and learns of trouble with it: it is no malformed token.
func TestThePreviousSecretIsReadForWhoNeedsIt(t *testing.T) {
	m, source := start(t, first, "")
	older := token(t, source())
	m.rotate(second, first)
	s := source()
	verifies(t, s, token(t, s))
	if n := m.counted(); n != 2 { // one of each sandbox
		t.Errorf("%d calls before anybody needs it", n)
	}
	for name, worse := range map[string]func(){
		"an outage":   func() { m.fail(http.StatusInternalServerError) },
		"a short one": func() { m.rotate(second, "short") },
	} {
		worse()
		if _, err := s.Verify(t.Context(), link.Answer, older); err == nil || errors.Is(err, link.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		verifies(t, s, token(t, s))
		m.fail(0)
		m.rotate(second, first)
	}
	m.counted()
	verifies(t, s, older)
	verifies(t, s, older)
	if n := m.counted(); n != 1 {
		t.Errorf("%d calls for an older link", n)
	}
}

func TestManyAtOnceReadOnce(t *testing.T) {
	m, source := start(t, second, first)
	s := source()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := s.Keys(t.Context(), "link"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := m.counted(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestAnOutageAfterTheFirstReadHarmsNobody(t *testing.T) {
	m, source := start(t, first, "")
	s := source()
	issued := token(t, s)
	s.pass(keep)
	m.counted()
	m.fail(http.StatusInternalServerError)
	for range 5 {
		verifies(t, s, issued)
	}
	if n := m.counted(); n != 1 {
		t.Errorf("%d calls in the ten seconds after a failed one", n)
	}
	s.pass(rereadGap)
	verifies(t, s, issued)
	if n := m.counted(); n != 1 {
		t.Errorf("%d calls ten seconds later", n)
	}
}
