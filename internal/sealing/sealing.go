// Package sealing encrypts what is kept or sent out of our hands and comes back: cookies of pages, secrets of webhooks. A
// sealed text names its key, so that it is found during a rotation.
package sealing

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"concord/internal/link"
)

// keyBytes is how much of a sealed text is the id of its key; the rest is encrypted.
const keyBytes = 2

// Seal encrypts with a key. Under another name it cannot be opened.
func Seal(key link.Key, name string, plain []byte) (string, error) {
	box, err := gcm(key.Secret)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(box.Seal(binary.BigEndian.AppendUint16(nil, key.ID), nil, plain, []byte(name))), nil
}

// Sealed is a text that came back: which key it names, and what is encrypted.
type Sealed struct {
	Key uint16
	box []byte
}

// Parse returns false for what is no sealed text, whatever the keys.
func Parse(text string) (Sealed, bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) <= keyBytes {
		return Sealed{}, false
	}
	return Sealed{binary.BigEndian.Uint16(b), b[keyBytes:]}, true
}

// Open returns false for whatever was not sealed with one of the keys under this name.
func (s Sealed) Open(keys []link.Key, name string) (plain []byte, ok bool) {
	for _, k := range keys {
		if k.ID != s.Key {
			continue
		}
		box, err := gcm(k.Secret)
		if err != nil {
			continue
		}
		if plain, err := box.Open(nil, nil, s.box, []byte(name)); err == nil {
			return plain, true
		}
	}
	return nil, false
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
