package webhook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"time"

	"concord/internal/link"
	"concord/internal/sealing"
)

// SecretPrefix begins every secret, by the specification.
const SecretPrefix = "whsec_"

// secretBytes is how much of a secret is random.
const secretBytes = 32

// use is that of the keys that secrets are sealed with, and the name under which they are.
const use = "webhook"

// Seals seal the secrets of endpoints: the table has none that could be read.
type Seals struct {
	// Keys gives the keys of a use, the one to seal with first (internal/keyring).
	Keys func(ctx context.Context, use string, named ...uint16) ([]link.Key, error)
}

// fresh makes a secret, in its two forms.
func (s Seals) fresh(ctx context.Context) (plain string, sealed Secret, err error) {
	var b [secretBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	plain = SecretPrefix + base64.StdEncoding.EncodeToString(b[:])
	text, err := s.seal(ctx, plain)
	return plain, Secret{Sealed: text}, err
}

func (s Seals) seal(ctx context.Context, plain string) (string, error) {
	keys, err := s.Keys(ctx, use)
	if err != nil {
		return "", err
	}
	return sealing.Seal(keys[0], use, []byte(plain))
}

// errSealed means that no key opens a secret: the master secret was replaced twice while nothing was delivered.
var errSealed = errors.New("webhook: a secret was sealed with a key that is no more; the partner rotates it")

// open returns secrets as partners know them. One that no key opens is left out while there is another.
func (s Seals) open(ctx context.Context, secrets []Secret) (plain []string, err error) {
	for _, each := range secrets {
		sealed, ok := sealing.Parse(each.Sealed)
		if !ok {
			continue
		}
		keys, err := s.Keys(ctx, use, sealed.Key)
		if err != nil {
			return nil, err
		}
		if b, ok := sealed.Open(keys, use); ok {
			plain = append(plain, string(b))
		}
	}
	if len(plain) == 0 {
		return nil, errSealed
	}
	return plain, nil
}

// renew seals again, with the key of now, what was sealed with the one before, and forgets what signs no more. What cannot
// be done now is done the next time.
func (s Seals) renew(ctx context.Context, e *Endpoint, now time.Time) {
	e.Secrets = e.signing(now)
	keys, err := s.Keys(ctx, use)
	if err != nil {
		return
	}
	for n, each := range e.Secrets {
		sealed, ok := sealing.Parse(each.Sealed)
		if !ok || sealed.Key == keys[0].ID {
			continue
		}
		if plain, err := s.open(ctx, []Secret{each}); err == nil {
			if text, err := s.seal(ctx, plain[0]); err == nil {
				e.Secrets[n].Sealed = text
			}
		}
	}
}
