package invitation

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Limits of an edited draft (invariant 15).
const (
	MaxSubject = 200       // characters
	MaxWords   = 20 * 1000 // bytes of the body
)

// Words are the text of a draft that the partner has edited and mails itself (rules I6 to I8).
type Words struct {
	Subject string
	Body    string
}

// check looks whether the words can be mailed: current is the link that has to stand in the body, exactly once and with no other link of
// ours, of whatever purpose and however it is written. Origins are what links of ours begin with: the base URLs of the clouds, or what
// begins with one.
func (w Words) check(f *problem.Findings, current string, origins []string) {
	if n := utf8.RuneCountInString(w.Subject); n > MaxSubject || strings.TrimSpace(w.Subject) == "" || !utf8.ValidString(w.Subject) || strings.ContainsAny(w.Subject, "\r\n\t") {
		f.Add("/subject", problem.ValidationFailed, "The subject has 1 to %d characters on one line.", MaxSubject)
	} else if r, place, found := emailaddr.Hidden(w.Subject); found {
		f.Add("/subject", problem.ValidationFailed, notShown, place, r)
	}
	if len(w.Body) > MaxWords || !utf8.ValidString(w.Body) {
		f.Add("/body", problem.ValidationFailed, "The body has at most %d bytes of text in UTF-8.", MaxWords)
		return
	}
	if r, place, found := emailaddr.Hidden(w.Body); found {
		f.Add("/body", problem.ValidationFailed, notShown, place, r)
		return
	}
	whole := 0
	for n := 0; ; {
		at := strings.Index(w.Body[n:], current)
		if at < 0 {
			break
		}
		before, after := w.Body[:n+at], w.Body[n+at+len(current):]
		if begins(before) && ends(after) {
			whole++
		}
		n += at + len(current)
	}
	// The token without the rest of the link would be stored as it is: placeholder stands for a whole link only.
	token := current[strings.LastIndexByte(current, '/')+1:]
	ours := linksTo(origins)
	count := func(text string) int {
		text = link.Spelt(strings.ReplaceAll(text, wordJoiner, ""))
		others := 0
		for found := range link.Tokens(text) {
			if found != token {
				others++ // on whatever host
			}
		}
		return max(len(ours.FindAllStringIndex(text, -1)), strings.Count(text, token)) + others
	}
	if count(w.Subject) > 0 {
		f.Add("/subject", problem.InvitationLinkAltered, "The personal link stands in the body, and no link of this service in the subject.")
	}
	switch n := count(w.Body); {
	case whole == 1 && n == 1:
	case n == 0:
		f.Add("/body", problem.InvitationLinkMissing, "The personal link has to stay in the text: it is in the body that GET on this draft gives.")
	default:
		f.Add("/body", problem.InvitationLinkAltered,
			"The personal link has to stay as it is, once, and no other link of this service beside it, however that is written.")
	}
}

const notShown = "Character %d is %U, which does not show: leave it out."

// wordJoiner is what our own words have within names (0.38).
const wordJoiner = "\u2060"

// linksTo matches links of ours in a text that was spelt out: the host in any case, with a user name, a full stop at its end or
// another port, and the path of any purpose.
func linksTo(origins []string) *regexp.Regexp {
	var hosts []string
	for _, o := range origins {
		_, rest, _ := strings.Cut(o, "://")
		host, _, _ := strings.Cut(rest, "/")
		name := host
		if n := strings.LastIndexByte(host, ':'); n > strings.LastIndexByte(host, ']') {
			name = host[:n]
		}
		if name = regexp.QuoteMeta(name); !slices.Contains(hosts, name) {
			hosts = append(hosts, name)
		}
	}
	var purposes strings.Builder
	for _, p := range link.Purposes {
		purposes.WriteByte(byte(p))
	}
	return regexp.MustCompile(`(?i)(?:^|[^a-z0-9.-])(?:` + strings.Join(hosts, "|") + `)\.?(?::[0-9]*)?/+(?:\.{1,2}/+)*[` + purposes.String() + `]/`)
}

// begins reports whether a link can start after the text: nothing there makes it a part of a longer one.
func begins(before string) bool {
	last, size := utf8.DecodeLastRuneInString(before)
	return size == 0 || !link.InToken(last) && !strings.ContainsRune("/?=&%@", last)
}

// ends reports whether a link is over where the text goes on. Programs that make links of text take what stands close to one
// for a part of it, but for punctuation at the end.
func ends(after string) bool {
	close := after
	if n := strings.IndexFunc(after, func(r rune) bool { return r <= ' ' || r >= utf8.RuneSelf || strings.ContainsRune(`<>"')]}|`, r) }); n >= 0 {
		close = after[:n]
	}
	return !strings.ContainsFunc(close, func(r rune) bool { return link.InToken(r) || r == '/' })
}

// placeholder stands for the link in words that are kept: a link is never stored. No text can hold it, being a control character.
const placeholder = "\x1a"

// Edit keeps the partner's own words for a draft. The caller gives the link that the draft has now, and what every link of
// ours to this cloud begins with. Codes: [problem.RoleNotPermitted], [problem.PartnerNotActive], [problem.NotFound],
// [problem.PreconditionRequired], [problem.PreconditionFailed], [problem.InvitationLinkMissing] and
// [problem.InvitationLinkAltered] (X-a), those of an ended invitation, [problem.InvalidTransition] for one that is no draft.
func (s *Service) Edit(ctx context.Context, by command.Command, id string, w Words, current link.Secret, origin string) (inv Invitation, replayed bool, err error) {
	c := task{Command: by}
	c.words = &Words{w.Subject, strings.Replace(w.Body, current.Reveal(), placeholder, 1)}
	return s.post(ctx, c, id, edited, func(inv *Invitation, _ time.Time) error {
		f := slices.Clone(c.Findings)
		if len(f) == 0 {
			w.check(&f, current.Reveal(), s.origins(origin))
		}
		if len(f) == 0 && !inv.Malleable() {
			return errMailed
		}
		inv.Edited = true
		return f.Err()
	})
}

const edited = "edited"

// origins gives what links of ours begin with, to whatever cloud.
func (s *Service) origins(own string) []string {
	all := []string{own}
	for _, c := range s.Clouds {
		all = append(all, c.BaseURL)
	}
	return all
}

// Reset gives the draft its own words back. Codes: those of [Service.Edit] but for the link's.
func (s *Service) Reset(ctx context.Context, by command.Command, id string) (inv Invitation, replayed bool, err error) {
	c := task{Command: by}
	c.words = &Words{}
	return s.post(ctx, c, id, "reset", func(inv *Invitation, _ time.Time) error {
		if err := c.Findings.Err(); err != nil {
			return err
		}
		if !inv.Malleable() {
			return errMailed
		}
		inv.Edited = false
		return nil
	})
}

// Done says that the partner mails the draft itself (rule I9); the time in which the customer can answer begins. Codes:
// [problem.RoleNotPermitted], [problem.PartnerNotActive], [problem.NotFound], those of an ended invitation,
// [problem.InvalidTransition] for one that is no draft.
func (s *Service) Done(ctx context.Context, by command.Command, id string) (inv Invitation, replayed bool, err error) {
	c := task{Command: by}
	return s.post(ctx, c, id, "done", func(inv *Invitation, now time.Time) error {
		if err := c.Findings.Err(); err != nil {
			return err
		}
		if inv.Status != Draft {
			return problem.New(problem.InvalidTransition, "Only a draft can be marked as done.")
		}
		inv.Status, inv.ExpiresAt = Pending, now.Add(inv.Duration)
		return nil
	})
}

// Malleable reports whether the words, the recipient and the link can still be changed: of a draft, and after Done as long as no mail of
// ours has said anything else (domain, 0.41).
func (i Invitation) Malleable() bool {
	return i.Status == Draft || i.Status == Pending && !i.mailed()
}

var errMailed = problem.New(problem.InvalidTransition,
	"This service was asked to email the invitation: only a draft, or one that you email yourself, can be changed. Cancel it and renew it, or extend its time with POST …/extend.")

// Relink gives an invitation that we never mailed a new link; the older one no longer works (0.41). What the partner has written stays,
// with the new link in it. Codes: [problem.RoleNotPermitted], [problem.PartnerNotActive], [problem.NotFound], those of an ended invitation,
// [problem.InvalidTransition] for one that we were asked to mail: then it is resent.
func (s *Service) Relink(ctx context.Context, by command.Command, id string) (inv Invitation, replayed bool, err error) {
	c := task{Command: by}
	return s.post(ctx, c, id, relinked, func(inv *Invitation, _ time.Time) error {
		if err := c.Findings.Err(); err != nil {
			return err
		}
		if !inv.Malleable() {
			return problem.New(problem.InvalidTransition, "This service was asked to email the invitation: POST …/resend emails it again, with a new link.")
		}
		inv.Generation++
		return nil
	})
}

// Extend moves the end of an open invitation without a new link, to for so long from now; nil stands for as long as it was open at first
// (0.41). While its first mail waits, the time that begins with that mail is changed. An end is never moved back: mails have said it. Codes:
// [problem.RoleNotPermitted], [problem.PartnerNotActive], [problem.NotFound], [problem.ValidationFailed], those of an ended invitation.
func (s *Service) Extend(ctx context.Context, by command.Command, id string, open *time.Duration) (inv Invitation, replayed bool, err error) {
	c := task{Command: by}
	return s.post(ctx, c, id, extended, func(inv *Invitation, now time.Time) error {
		f := slices.Clone(c.Findings)
		d := inv.Duration
		if open != nil {
			d = *open
		}
		until := now.Add(d)
		switch {
		case len(f) > 0: // what was sent is no length of time: nothing else is wrong with it
		case d < MinDuration || d > MaxDuration:
			f.Add("/expiresIn", problem.ValidationFailed, "An invitation is open for P1D to P90D from now.")
		case inv.ExpiresAt.IsZero() && d < inv.Duration, !inv.ExpiresAt.IsZero() && until.Before(inv.ExpiresAt):
			f.Add("/expiresIn", problem.ValidationFailed, "The end is moved to a later time only.")
		case inv.ExpiresAt.IsZero():
			inv.Duration = d
		default:
			inv.ExpiresAt, inv.Reminded = until, 0 // what was said of the end before does not hold
			inv.Post.Abandon(ReminderNotice)
		}
		return f.Err()
	})
}

const (
	relinked = "relinked"
	extended = "extended"
)

// Words gives what a draft says when the partner has edited it; current is the link that it has now. Codes: [problem.NotFound].
func (s *Service) Words(ctx context.Context, u partner.User, inv Invitation, current link.Secret) (Words, error) {
	w, err := s.Store.Words(ctx, Key{u.Tenant, inv.ID})
	w.Body = strings.Replace(w.Body, placeholder, current.Reveal(), 1)
	return w, err
}

// Renew makes a new draft of an invitation that has ended, with the same terms (G3). An accepted one can be renewed where
// something it asks for does not stand any more (invariant 3b). Replayed reports that the command's key had made it. Codes:
// those of [Service.Invite], [problem.NotFound], [problem.InvalidTransition] for one that is still open.
func (s *Service) Renew(ctx context.Context, by command.Command, id string) (inv Invitation, replayed bool, err error) {
	c := task{Command: by}
	account, err := s.inviter(ctx, c.User)
	if err != nil {
		return Invitation{}, false, err
	}
	old, err := s.own(ctx, c.User, id, true)
	if err == nil {
		err = s.mayAsk(c.User, old.Kind, old.RequestDelegatedAdmin)
	}
	if err != nil {
		return Invitation{}, false, err
	}
	c.scope = "renewal|" + id
	now := s.now()
	again := old.again(old.StatusAt(now))
	if err = c.Allows(old.Version, "invitation"); err == nil {
		err = c.Findings.Err()
	}
	if err == nil && old.StatusAt(now).Open() {
		err = problem.New(problem.InvalidTransition, "This invitation is still open: send it again with POST …/resend, or cancel it first.")
	}
	if err == nil {
		err = s.renewable(ctx, account, old, &again)
	}
	if err == nil {
		inv, replayed, err = s.create(ctx, c, again, now)
	}
	return s.unlessMadeBefore(ctx, c, inv, replayed, err, now)
}

// again gives a draft that asks once more for what an invitation asked that has ended with a status: a copy, without what was of that one
// alone. What was answered is not asked again: whom the answer bound, and granular administration.
func (i Invitation) again(ended Status) Invitation {
	n := i
	n.ID, n.Replaces, n.Version, n.Generation, n.Status = "", i.ID, 0, 0, ""
	n.CreatedAt, n.CreatedBy, n.ExpiresAt, n.EndedAt, n.EraseAt = time.Time{}, "", time.Time{}, time.Time{}, time.Time{}
	n.Orderer, n.RegionTable, n.BatchID, n.Edited = "", "", "", false
	n.Mail, n.Post, n.Reminded, n.RemindedAt = Mail{}, outbox.Box{}, 0, time.Time{}
	n.Asked, n.Reported, n.Answer, n.DisputedAt, n.Moot, n.History = 0, 0, nil, time.Time{}, nil, nil
	if !i.Bound {
		n.Customer = ""
	}
	if ended != Cancelled && ended != Expired {
		n.GranularID = ""
	}
	return n
}

// renewable looks at what stands already: an accepted invitation is renewed for what was ended since.
func (s *Service) renewable(ctx context.Context, account partner.Account, old Invitation, again *Invitation) error {
	if old.Status == Accepted && !old.Bound {
		// Whom the answer bound is known now, and only what does not stand with it is asked for again.
		named := *again
		named.Customer, named.Bound = old.Customer, true
		switch err := s.target(ctx, account, &named); problem.CodeOf(err) {
		case problem.RelationshipExists, problem.PartnershipExists:
			return err
		}
	}
	named := again.Customer
	if err := s.target(ctx, account, again); err != nil {
		return err
	}
	return s.askedBefore(ctx, *again, named, s.now())
}
