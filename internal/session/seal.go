package session

import (
	"encoding/json"
	"time"

	"concord/internal/link"
	"concord/internal/sealing"
)

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
	return sealing.Seal(key, name, plain)
}

// sealed is a value that came back.
type sealed struct{ sealing.Sealed }

// parse gives false for what is no value of ours, whatever the keys.
func parse(text string) (sealed, bool) {
	s, ok := sealing.Parse(text)
	return sealed{s}, ok
}

// unseal reports false for whatever was not sealed with one of the keys under this name, or whose time is over.
func (s sealed) unseal(keys []link.Key, name string, v any, now time.Time) bool {
	plain, ok := s.Open(keys, name)
	var c content
	return ok && json.Unmarshal(plain, &c) == nil && now.Unix() < c.Until && json.Unmarshal(c.Value, v) == nil
}
