package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// ReadParameters reads parameters of the template from a file: a JSON object of them, or the list that the AWS CLI takes,
// [{"ParameterKey":…,"ParameterValue":…}].
func ReadParameters(file string) (map[string]string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if trimmed := bytes.TrimSpace(raw); len(trimmed) > 0 && trimmed[0] == '[' {
		var list []struct {
			ParameterKey   string
			ParameterValue any
		}
		err = d.Decode(&list)
		for _, p := range list {
			values[p.ParameterKey] = p.ParameterValue
		}
	} else {
		err = d.Decode(&values)
	}
	if _, more := d.Token(); err == nil && (values == nil || !errors.Is(more, io.EOF)) {
		err = errors.New("it is null, or something follows")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is neither an object of parameters nor the list that the AWS CLI takes: %w", file, err)
	}
	parameters := make(map[string]string, len(values))
	for name, v := range values {
		switch v := v.(type) {
		case string, bool, json.Number:
			parameters[name] = fmt.Sprint(v)
		default: // such as claims, whose parameter is a JSON text
			written, err := json.Marshal(v)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", file, name, err)
			}
			parameters[name] = string(written)
		}
	}
	return parameters, nil
}
