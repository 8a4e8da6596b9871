// Package authorizer puts together the function that tells API Gateway who calls the API.
package authorizer

import (
	"log/slog"
	"strings"

	"concord/internal/authorizer"
	"concord/internal/identity"
)

// Config is what template.yaml sets.
type Config struct {
	// Authorities are the clouds with their identity providers, as identity.Parse reads them.
	Authorities string `env:"AUTHORITIES"`
	// Audiences are those of the tokens that are taken, separated by commas.
	Audiences string `env:"API_AUDIENCES"`
}

// New makes the function. It has nothing of AWS, and so it does without package app.
func New(c Config, log *slog.Logger) (authorizer.Authorizer, error) {
	authorities, err := identity.Parse(c.Authorities)
	return authorizer.Authorizer{
		Authorities: authorities, Audiences: strings.Split(strings.ReplaceAll(c.Audiences, " ", ""), ","), Log: log,
	}, err
}
