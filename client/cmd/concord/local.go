package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/urfave/cli/v3"
)

func local() *cli.Command {
	return &cli.Command{Name: "local", Usage: "a stack of this machine (make run)", Commands: []*cli.Command{{
		Name: "clock", Usage: "show its time, or move it on", Flags: []cli.Flag{
			&cli.StringFlag{Name: "advance", Usage: "by how much, as an ISO 8601 duration such as P31D"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			s, err := current(c)
			if err != nil {
				return err
			}
			method, body := http.MethodGet, ""
			if by := c.String("advance"); by != "" {
				b, err := json.Marshal(map[string]string{"advance": by})
				if err != nil {
					return err
				}
				method, body = http.MethodPost, string(b)
			}
			r, err := http.NewRequestWithContext(ctx, method, s.URL+"/_local/clock", strings.NewReader(body))
			if err != nil {
				return err
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				return err
			}
			defer func() { _ = answer.Body.Close() }()
			b, err := io.ReadAll(answer.Body)
			if err != nil {
				return err
			}
			var now struct{ Now, Offset, Message string }
			if err := json.Unmarshal(b, &now); err != nil || answer.StatusCode != http.StatusOK {
				return fmt.Errorf("%s has no clock to move: %s %s", s.URL, answer.Status, now.Message)
			}
			return print(c, now, []string{"NOW", "AHEAD BY"}, [][]string{{now.Now, now.Offset}})
		},
	}}}
}
