package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"concord/client"
)

// session is where the API is, and as which program it is called. It is kept in the user's configuration directory,
// readable by nobody else.
type session struct {
	URL          string `json:"url"`
	TokenURL     string `json:"tokenUrl"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	Scope        string `json:"scope,omitempty"`
}

func place(profile string) (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	if profile == "" || strings.ContainsAny(profile, `/\.`) {
		return "", fmt.Errorf("%w: a profile is a word", errUsage)
	}
	return filepath.Join(dir, "concord", profile+".json"), nil
}

// current reads the session of the profile. What the environment says counts more: CONCORD_URL, CONCORD_TOKEN_URL,
// CONCORD_CLIENT_ID, CONCORD_CLIENT_SECRET, CONCORD_SCOPE.
func current(c *cli.Command) (s session, err error) {
	path, err := place(c.String("profile"))
	if err != nil {
		return s, err
	}
	switch b, err := os.ReadFile(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return s, err
	default:
		if err := json.Unmarshal(b, &s); err != nil {
			return s, fmt.Errorf("%s: %w", path, err)
		}
	}
	for name, into := range map[string]*string{
		"CONCORD_URL": &s.URL, "CONCORD_TOKEN_URL": &s.TokenURL, "CONCORD_CLIENT_ID": &s.ClientID,
		"CONCORD_CLIENT_SECRET": &s.ClientSecret, "CONCORD_SCOPE": &s.Scope,
	} {
		*into = cmp.Or(os.Getenv(name), *into)
	}
	if s.URL == "" || s.TokenURL == "" || s.ClientID == "" {
		return s, errors.New("nobody is logged in: concord login --help")
	}
	return s, nil
}

func connect(c *cli.Command) (*client.Concord, error) {
	s, err := current(c)
	if err != nil {
		return nil, err
	}
	return s.client()
}

// one gives the id that a command is about, and the API.
func one(c *cli.Command) (string, *client.Concord, error) {
	ids, err := arguments(c, "one id", false)
	if err != nil {
		return "", nil, err
	}
	api, err := connect(c)
	return ids[0], api, err
}

func (s session) client() (*client.Concord, error) {
	return client.New(s.URL, client.Credentials{TokenURL: s.TokenURL, ID: s.ClientID, Secret: s.ClientSecret, Scope: s.Scope})
}

func (s session) keep(profile string) error {
	path, err := place(profile)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o600)
}

func login() *cli.Command {
	return &cli.Command{
		Name: "login", Usage: "keep how to reach a deployment, after trying it",
		Description: "The client secret is read from standard input, or from CONCORD_CLIENT_SECRET.\n" +
			"On a stack of this machine (make run): concord login --local alder",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "url", Usage: "of the deployment, such as https://concord.example"},
			&cli.StringFlag{Name: "token-url", Usage: "of the identity provider's token endpoint"},
			&cli.StringFlag{Name: "client-id", Usage: "of your program"},
			&cli.StringFlag{Name: "scope", Usage: "to ask the identity provider for, where it wants one"},
			&cli.StringFlag{Name: "local", Usage: "as which program of the local stack"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			s := session{URL: c.String("url"), TokenURL: c.String("token-url"), ClientID: c.String("client-id"), Scope: c.String("scope")}
			if name := c.String("local"); name != "" {
				s = session{
					URL: cmp.Or(s.URL, "http://127.0.0.1:8080"), TokenURL: cmp.Or(s.TokenURL, "http://127.0.0.1:8081/oauth2/token"),
					ClientID: name, ClientSecret: "local",
				}
			}
			if s.URL == "" || s.TokenURL == "" || s.ClientID == "" {
				return fmt.Errorf("%w: login takes --url, --token-url and --client-id, or --local", errUsage)
			}
			if s.ClientSecret == "" {
				s.ClientSecret = os.Getenv("CONCORD_CLIENT_SECRET")
			}
			if s.ClientSecret == "" {
				_, _ = fmt.Fprint(c.Root().ErrWriter, "Client secret: ")
				line, err := bufio.NewReader(c.Root().Reader).ReadString('\n')
				if s.ClientSecret = strings.TrimSpace(line); s.ClientSecret == "" {
					return fmt.Errorf("no client secret was given: %w", err)
				}
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			me, err := api.GetOwnRolesWithResponse(ctx)
			if err != nil {
				return err
			}
			if err := s.keep(c.String("profile")); err != nil {
				return err
			}
			r := me.JSON200
			var roles []string
			for _, one := range r.Roles {
				roles = append(roles, string(one))
			}
			return print(c, r, []string{"TENANT", "ROLES", "API"}, [][]string{{string(r.TenantId), strings.Join(roles, " "), s.URL}})
		},
	}
}
