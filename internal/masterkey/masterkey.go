// Package masterkey derives the keys of links, cursors and cookies from one master secret, which AWS Secrets Manager makes
// and keeps.
//
// The secret is read on first use and kept for a while. During a rotation the current and the previous secret are both
// accepted; a token, cookie or cursor whose key is not known makes a [Source] read again, so that a sandbox that started before
// the rotation accepts what a younger one made.
package masterkey

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

	mu      sync.Mutex
	readAt  time.Time
	current []master
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

// masters gives the current secret and, when there is one, the previous.
func (s *Source) masters(ctx context.Context, fresherThan time.Duration) ([]master, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && time.Since(s.readAt) < fresherThan {
		return s.current, nil
	}
	found, err := s.read(ctx)
	switch {
	case err == nil:
		s.current, s.readAt = found, time.Now()
	case s.current == nil:
		return nil, err
	default:
		// What was read before still holds; the next try is rereadGap away.
		s.readAt = time.Now().Add(rereadGap - fresherThan)
	}
	return s.current, nil
}

func (s *Source) read(ctx context.Context) ([]master, error) {
	var found []master
	for _, stage := range []string{"AWSCURRENT", "AWSPREVIOUS"} {
		out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.secret, VersionStage: &stage})
		if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing && len(found) > 0 {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("masterkey: %s: %w", stage, err)
		}
		value := []byte(aws.ToString(out.SecretString))
		if len(value) < keyBytes {
			return nil, fmt.Errorf("masterkey: the secret has fewer than %d characters", keyBytes)
		}
		sum := sha256.Sum256(append([]byte("id|"), value...))
		found = append(found, master{binary.BigEndian.Uint16(sum[:]), value})
	}
	return found, nil
}

// Keys gives the keys of a use, such as "cursor" or "session": what to sign or encrypt with first, what is still accepted
// after it. Who has something to check says the ids of the keys that it names: for one that is not known the secret is read
// again, though not more often than every ten seconds. What names a key that is not known even then was not made here.
func (s *Source) Keys(ctx context.Context, use string, named ...uint16) ([]link.Key, error) {
	keys, err := s.keys(ctx, use, keep)
	for _, id := range named {
		if err == nil && !slices.ContainsFunc(keys, func(k link.Key) bool { return k.ID == id }) {
			return s.keys(ctx, use, rereadGap)
		}
	}
	return keys, err
}

func (s *Source) keys(ctx context.Context, use string, fresherThan time.Duration) ([]link.Key, error) {
	masters, err := s.masters(ctx, fresherThan)
	if err != nil {
		return nil, err
	}
	keys := make([]link.Key, 0, len(masters))
	for _, m := range masters {
		k, err := hkdf.Key(sha256.New, m.value, nil, "concord "+use, keyBytes)
		if err != nil {
			return nil, fmt.Errorf("masterkey: %w", err)
		}
		keys = append(keys, link.Key{ID: m.id, Secret: k})
	}
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
	for _, fresherThan := range []time.Duration{keep, rereadGap} {
		keys, err := s.keys(ctx, "link", fresherThan)
		if err != nil {
			return link.Link{}, err
		}
		l, err := link.NewSigner(keys...).Verify(p, token)
		if !errors.Is(err, link.ErrUnknownKey) {
			return l, err
		}
	}
	return link.Link{}, link.ErrMalformed
}
