// Package keyring derives the keys of links, cursors and cookies from one master secret, which AWS Secrets Manager makes
// and keeps.
//
// The secret is read on first use and kept for a while. During a rotation the current and the previous secret are both
// accepted: a token, cookie or cursor that the current one did not make has a [Source] read the previous one, and when that did not either,
// both again, so that a sandbox that started before the rotation accepts what a younger one made.
package keyring

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"concord/internal/awsenv"
	"concord/internal/link"
)

const (
	keep      = 5 * time.Minute
	rereadGap = 10 * time.Second // so that garbled tokens do not make us read at each request
	keyBytes  = 32
)

// Source reads one secret.
type Source struct {
	client *secretsmanager.Client
	secret string

	mu     sync.Mutex
	readAt time.Time
	known  []master // the current one first
	// whole says that the previous one was looked for as well: only who meets what the current one did not make waits for it.
	whole   bool
	derived map[string][]link.Key // of those that are known, by use
}

type master struct {
	id    uint16
	value []byte
}

// New makes a source of a secret by its ARN or name. It reads nothing yet.
func New(cfg aws.Config, secret string) *Source {
	return &Source{
		client: secretsmanager.NewFromConfig(awsenv.Prompt(cfg), func(o *secretsmanager.Options) { o.BaseEndpoint = awsenv.Endpoint("SECRETS_MANAGER") }),
		secret: secret,
	}
}

// The stages of a secret, as Secrets Manager calls them.
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
)

// look reads what is older than wanted, and the previous secret when all are wanted. The lock is held.
func (s *Source) look(ctx context.Context, fresherThan time.Duration, all bool) error {
	fresh := s.known != nil && time.Since(s.readAt) < fresherThan
	if fresh && (s.whole || !all) {
		return nil
	}
	if !fresh {
		one, _, err := s.read(ctx, current)
		switch {
		case err == nil:
			s.known, s.whole, s.readAt, s.derived = []master{one}, false, time.Now(), nil
		case s.known == nil:
			return err
		default:
			// What was read before still holds; the next try is rereadGap away.
			s.readAt = time.Now().Add(rereadGap - fresherThan)
		}
	}
	if s.whole || !all {
		return nil
	}
	older, found, err := s.read(ctx, previous)
	if err != nil {
		return err
	}
	if found {
		s.known, s.derived = append(s.known, older), nil
	}
	s.whole = true
	return nil
}

// read gives the secret of a stage, and false when there is no previous one.
func (s *Source) read(ctx context.Context, stage string) (m master, found bool, err error) {
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.secret, VersionStage: &stage})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing && stage == previous {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("keyring: %s: %w", stage, err)
	}
	value := []byte(aws.ToString(out.SecretString))
	if len(value) < keyBytes {
		return m, false, fmt.Errorf("keyring: the secret has fewer than %d characters", keyBytes)
	}
	sum := sha256.Sum256(append([]byte("id|"), value...))
	return master{binary.BigEndian.Uint16(sum[:]), value}, true, nil
}

// Keys gives the keys of a use, such as "cursor" or "session": what to sign or encrypt with first, what is still accepted
// after it. Who has something to check says the ids of the keys that it names: for one that is not the current one's the previous secret is
// read, and for one that is not known then both are read again, though not more often than every ten seconds. What names a key that is not
// known even then was not made here. Without a name only the current one is sure to be among them.
func (s *Source) Keys(ctx context.Context, use string, named ...uint16) ([]link.Key, error) {
	keys, err := s.keys(ctx, use, keep, false)
	for _, id := range named {
		if err == nil && !slices.ContainsFunc(keys, func(k link.Key) bool { return k.ID == id }) {
			return s.keys(ctx, use, rereadGap, true)
		}
	}
	return keys, err
}

func (s *Source) keys(ctx context.Context, use string, fresherThan time.Duration, all bool) ([]link.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.look(ctx, fresherThan, all); err != nil {
		return nil, err
	}
	if keys := s.derived[use]; keys != nil {
		return keys, nil
	}
	keys := make([]link.Key, 0, len(s.known))
	for _, m := range s.known {
		k, err := hkdf.Key(sha256.New, m.value, nil, "concord "+use, keyBytes)
		if err != nil {
			return nil, fmt.Errorf("keyring: %w", err)
		}
		keys = append(keys, link.Key{ID: m.id, Secret: k})
	}
	if s.derived == nil {
		s.derived = map[string][]link.Key{}
	}
	s.derived[use] = keys
	return keys, nil
}

// Sign makes the token of a link.
func (s *Source) Sign(ctx context.Context, p link.Purpose, l link.Link) (link.Secret, error) {
	keys, err := s.Keys(ctx, "link")
	if err != nil {
		return "", err
	}
	return link.NewSigner(keys...).Sign(p, l)
}

// Verify gives the link of a token, or [link.ErrMalformed]; any other error means that the keys could not be read.
func (s *Source) Verify(ctx context.Context, p link.Purpose, token string) (link.Link, error) {
	l, err := s.verify(ctx, p, token, keep, false)
	switch {
	case errors.Is(err, link.ErrUnknownKey):
		l, err = s.verify(ctx, p, token, rereadGap, true)
	case errors.Is(err, link.ErrMalformed):
		// Two keys may have one id by chance: what the current one refuses, the previous one may have made.
		l, err = s.verify(ctx, p, token, keep, true)
	}
	if errors.Is(err, link.ErrUnknownKey) {
		return link.Link{}, link.ErrMalformed
	}
	return l, err
}

func (s *Source) verify(ctx context.Context, p link.Purpose, token string, fresherThan time.Duration, all bool) (link.Link, error) {
	keys, err := s.keys(ctx, "link", fresherThan, all)
	if err != nil {
		return link.Link{}, err
	}
	return link.NewSigner(keys...).Verify(p, token)
}
