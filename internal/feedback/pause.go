package feedback

import (
	"context"
	"log/slog"

	"concord/internal/observe"
	"concord/internal/partner"
	"concord/internal/registry"
)

// Paused tells the operator of a partner whose sending has paused: by a line of the log and by the metric that an alarm watches.
func Paused(log *slog.Logger, m *observe.Metrics) func(context.Context, partner.TenantID, partner.Pause, registry.Score) {
	return func(ctx context.Context, p partner.TenantID, why partner.Pause, s registry.Score) {
		log.WarnContext(ctx, "sending paused", "tenant", p, "reason", why.Reason, "mails", s.Mails, "complaints", s.Complaints, "bounces", s.Bounces, "from", s.From)
		m.Put(map[string]float64{"SendingPaused": 1})
	}
}
