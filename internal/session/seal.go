package session

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"concord/internal/link"
)

// keyBytes is how much of a sealed value is the id of its key; the rest is encrypted.
const keyBytes = 2

// content is what is encrypted: a value and until when it holds.
type content struct {
	Until int64 // Unix seconds
	Value json.RawMessage
}

func seal(key link.Key, name string, v any, until time.Time) (string, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	plain, err := json.Marshal(content{until.Unix(), value})
	if err != nil {
		return "", err
	}
	box, err := gcm(key.Secret)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(box.Seal(binary.BigEndian.AppendUint16(nil, key.ID), nil, plain, []byte(name))), nil
}

// sealed is a value that came back: which key it names, and what is encrypted.
type sealed struct {
	key uint16
	box []byte
}

// parse gives false for what is no value of ours, whatever the keys.
func parse(text string) (sealed, bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) <= keyBytes {
		return sealed{}, false
	}
	return sealed{binary.BigEndian.Uint16(b), b[keyBytes:]}, true
}

// unseal reports false for whatever was not sealed with one of the keys under this name, or whose time is over.
func (s sealed) unseal(keys []link.Key, name string, v any, now time.Time) bool {
	for _, k := range keys {
		if k.ID != s.key {
			continue
		}
		box, err := gcm(k.Secret)
		if err != nil {
			continue
		}
		plain, err := box.Open(nil, nil, s.box, []byte(name))
		if err != nil {
			continue
		}
		var c content
		return json.Unmarshal(plain, &c) == nil && now.Unix() < c.Until && json.Unmarshal(c.Value, v) == nil
	}
	return false
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
