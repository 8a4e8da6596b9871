// Package secrets answers as AWS Secrets Manager does, over its wire protocol (AWS JSON 1.1), for the secrets of the
// template. Values are made as GenerateSecretString asks and live in memory.
package secrets

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"

	"concord/infra/local/template"
)

// The two staging labels that a secret's versions carry.
const (
	Current  = "AWSCURRENT"
	Previous = "AWSPREVIOUS"
)

// Store holds secrets and serves them. It is an http.Handler.
type Store struct {
	mu      sync.Mutex
	secrets []*secret
}

type secret struct {
	template.Secret
	versions map[string]version // by staging label
}

type version struct {
	id, value string
	created   time.Time
}

// New makes the secrets of a template, each with a first version.
func New(list []template.Secret) (*Store, error) {
	s := &Store{}
	for _, t := range list {
		v, err := newVersion(t)
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", t.LogicalID, err)
		}
		s.secrets = append(s.secrets, &secret{t, map[string]version{Current: v}})
	}
	return s, nil
}

// Rotate gives a secret (by name, ARN or logical id) a new value: the current version becomes the previous one, and the
// one before is gone.
func (s *Store) Rotate(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.find(id)
	if found == nil {
		return fmt.Errorf("no secret %q", id)
	}
	v, err := newVersion(found.Secret)
	if err != nil {
		return err
	}
	found.versions[Previous], found.versions[Current] = found.versions[Current], v
	return nil
}

func (s *Store) find(id string) *secret {
	for _, x := range s.secrets {
		// An ARN without the six characters that Secrets Manager adds names the secret, too.
		if id == x.Name || id == x.ARN || id == x.LogicalID || id == strings.TrimSuffix(x.ARN, "-local0") {
			return x
		}
	}
	return nil
}

// ServeHTTP answers secretsmanager.GetSecretValue and DescribeSecret.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in struct{ SecretId, VersionStage, VersionId string }
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(raw, &in)
	}
	if r.Method != http.MethodPost || err != nil {
		refuse(w, "SerializationException", "the request is not JSON")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.find(in.SecretId)
	if found == nil {
		refuse(w, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
		return
	}
	switch operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "secretsmanager."); operation {
	case "GetSecretValue":
		for stage, v := range found.versions {
			if in.VersionId == v.id || in.VersionId == "" && (in.VersionStage == stage || in.VersionStage == "" && stage == Current) {
				answer(w, map[string]any{
					"ARN": found.ARN, "Name": found.Name, "VersionId": v.id, "SecretString": v.value,
					"VersionStages": []string{stage}, "CreatedDate": float64(v.created.UnixMilli()) / 1000,
				})
				return
			}
		}
		refuse(w, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for the given version or staging label.")
	case "DescribeSecret":
		stages := map[string][]string{}
		for stage, v := range found.versions {
			stages[v.id] = append(stages[v.id], stage)
		}
		answer(w, map[string]any{"ARN": found.ARN, "Name": found.Name, "VersionIdsToStages": stages})
	default:
		refuse(w, "UnknownOperationException", "the local stack does not know "+operation)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, kind, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "message": message})
}

func newVersion(t template.Secret) (version, error) {
	id := rand.Text() + rand.Text()
	v := version{id: strings.ToLower(id[:32]), value: t.Value, created: time.Now()}
	if t.Generate == nil {
		return v, nil
	}
	password, err := generate(*t.Generate)
	if err != nil {
		return v, err
	}
	v.value = password
	if t.Generate.GenerateStringKey != "" {
		document := map[string]any{}
		if err := json.Unmarshal([]byte(t.Generate.SecretStringTemplate), &document); err != nil {
			return v, fmt.Errorf("SecretStringTemplate: %w", err)
		}
		document[t.Generate.GenerateStringKey] = password
		raw, err := json.Marshal(document)
		if err != nil {
			return v, err
		}
		v.value = string(raw)
	}
	return v, nil
}

// generate makes a random password of the classes that are not excluded, with at least one character of each of them
// where the template asks for it.
func generate(g template.GenerateSecretString) (string, error) {
	var classes []string
	add := func(excluded bool, class string) {
		if excluded {
			return
		}
		class = strings.Map(func(r rune) rune {
			if strings.ContainsRune(g.ExcludeCharacters, r) {
				return -1
			}
			return r
		}, class)
		if class != "" {
			classes = append(classes, class)
		}
	}
	add(g.ExcludeLowercase, "abcdefghijklmnopqrstuvwxyz")
	add(g.ExcludeUppercase, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	add(g.ExcludeNumbers, "0123456789")
	add(g.ExcludePunctuation, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
	add(!g.IncludeSpace, " ")
	if len(classes) == 0 || g.Length < 1 || g.RequireEachType && g.Length < len(classes) {
		return "", fmt.Errorf("no password of %d characters can be made from what is not excluded", g.Length)
	}
	pick := func(from string) byte {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(from))))
		if err != nil {
			panic(err) // crypto/rand does not fail
		}
		return from[n.Int64()]
	}
	all := strings.Join(classes, "")
	for {
		b := make([]byte, g.Length)
		for i := range b {
			b[i] = pick(all)
		}
		complete := true
		for _, c := range classes {
			complete = complete && strings.ContainsAny(string(b), c)
		}
		if complete || !g.RequireEachType {
			return string(b), nil
		}
	}
}
