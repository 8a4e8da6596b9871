package pages

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	lang "golang.org/x/text/language"

	"concord/internal/commerce"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// trade is how a language speaks of ordering, of the customer agreement, and of who else would do it.
var trade = map[lang.Tag]struct{ order, provider *regexp.Regexp }{
	lang.English:           {regexp.MustCompile(`(?i)\border(s|ed|ing)?\b|\bbuy(s|ing)?\b|\bpurchas|customer agreement`), regexp.MustCompile(`provider`)},
	lang.French:            {regexp.MustCompile(`(?i)command|achet|achat|contrat client`), regexp.MustCompile(`(?i)fournisseur (indirect|de|demandera)|\{provider\}`)},
	lang.German:            {regexp.MustCompile(`(?i)\bbestell|\bkauf|Kundenvereinbarung`), regexp.MustCompile(`Anbieter|\{provider\}`)},
	lang.Spanish:           {regexp.MustCompile(`pedidos|ningún pedido|primer pedido|\bcomprar|contrato de cliente`), regexp.MustCompile(`proveedor|\{provider\}`)},
	lang.Japanese:          {regexp.MustCompile(`注文|購入|顧客契約`), regexp.MustCompile(`プロバイダー|\{provider\}`)},
	lang.SimplifiedChinese: {regexp.MustCompile(`下单|下订单|订购|购买|客户协议`), regexp.MustCompile(`提供商|\{provider\}`)},
	lang.Hindi:             {regexp.MustCompile(`ऑर्डर|ख़रीद|खरीद|ग्राहक अनुबंध`), regexp.MustCompile(`प्रदाता|\{provider\}`)},
}

// whoOrdersItself are the texts that are said of a partner that orders itself, and of no other.
var whoOrdersItself = []string{
	"order.self", "order.self.signed", "order.notice.self", "order.notice.self.signed", "page.consent.order", "page.agreement.lead",
	"page.customer.unsigned.attested", "page.customer.orders.attested",
}

// nobodyOrders are the texts about ordering or about the agreement that say of no partner that it orders.
var nobodyOrders = []string{
	"order.consent.place", // always denied
	"order.identity", "order.dispute", "order.notice.identity", "order.notice.dispute", "order.unchanged",
	"mail.granular.apart", "mail.receipt.end",
	"page.consent.others", "page.consent.charge", "page.consent.unchanged.partners", "page.consent.end.ask", "page.consent.granular.apart",
	"page.agreement.title", "page.agreement.read", "page.agreement.sign", "page.agreement.needed", "page.error.agreement",
	// Of the customer's own page, and of a partnership, whose partner is the provider.
	"page.customer.subscriptions", "page.customer.signed", "page.customer.unsigned", "page.customer.attested",
	"company.agreement.action", "company.agreement.lead", "company.agreement.done.title", "company.agreement.done.text", "company.leave.text", "company.provider.stays",
	"page.answer.provider", "page.consent.provider.order", // of the provider's own table
	"mail.partnership.order", "mail.partnership.granted", "page.review.ask.partnership", "page.consent.partnership.order",
}

// TestEveryTextAboutOrdersSaysWho: decision 0.33. A text about ordering or about the customer agreement names the provider, or is said of who
// orders itself alone, or says of nobody that it orders. Who writes a new one decides which.
func TestEveryTextAboutOrdersSaysWho(t *testing.T) {
	for _, tag := range locale.Tags {
		for key, text := range locale.For(tag).Texts("") {
			if strings.HasPrefix(key, "country.") || slices.Contains(whoOrdersItself, key) || slices.Contains(nobodyOrders, key) {
				continue
			}
			if words := trade[tag]; words.order.MatchString(text) && !words.provider.MatchString(text) {
				t.Errorf("%v: %s speaks of ordering and not of who orders: %s", tag, key, text)
			}
		}
	}
}

// A request is one of a partner's with what it asks for.
type asking struct {
	role           partner.ProgramRole
	kind           invitation.Kind
	administration bool
	roles          []string // of granular administration
}

const (
	helpdesk            = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"
)

func (a asking) String() string {
	return fmt.Sprintf("%s, %s, administration %v, %d roles", a.role, a.kind, a.administration, len(a.roles))
}

// every calls with a request of each program role, kind and administration that there is, delegated and granular.
func every(check func(asking)) {
	for _, role := range []partner.ProgramRole{partner.DirectBill, partner.IndirectProvider, partner.IndirectReseller} {
		for _, kind := range invitation.Kinds {
			for _, administration := range []bool{false, true} {
				if kind == invitation.DualReseller && role != partner.IndirectReseller || kind == invitation.Partnership && (role != partner.IndirectProvider || administration) {
					continue // nobody can ask that
				}
				for _, roles := range [][]string{nil, {helpdesk}, {helpdesk, globalAdministrator}} {
					if kind != invitation.Partnership || roles == nil {
						check(asking{role, kind, administration, roles})
					}
				}
			}
		}
	}
}

// letter gives the request in a language.
func (a asking) letter(tag lang.Tag) invitation.Letter {
	account := func(id partner.TenantID, name string, role partner.ProgramRole) partner.Account {
		return partner.Account{
			Tenant: id, DisplayName: name, Role: role, Cloud: "public", Country: "US", Status: partner.Active, Locale: tag.String(), VerifiedDomain: string(id) + ".example",
			Contact: partner.Contact{Email: "desk@" + string(id) + ".example"},
		}
	}
	l := invitation.Letter{
		Invitation: invitation.Invitation{
			Key: invitation.Key{Inviter: "cedar", ID: "inv_ccisylg5pl66zjmsfybwg4mb3a"}, Kind: a.kind, Locale: tag.String(), RecipientEmail: "jo@larch.example",
			RequestDelegatedAdmin: a.administration, Status: invitation.Pending, Duration: invitation.DefaultDuration, ExpiresAt: time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC),
		},
		Inviter: account("cedar", "Cedar Solutions", a.role), Cloud: partner.Cloud{ID: "public", PortalName: "Portal", BaseURL: "https://portal.example"},
	}
	if a.kind == invitation.DualReseller {
		l.Provider, l.Invitation.Provider = account("birch", "Birch Distribution", partner.IndirectProvider), "birch"
	}
	if a.roles != nil {
		l.Invitation.GranularID = "gdap_ccisylg5pl66zjmsfybwg4mb3a"
		l.Granular = &granular.Relationship{
			Key: granular.Key{Partner: "cedar", ID: l.Invitation.GranularID}, DisplayName: "Desk", Roles: a.roles, Duration: granular.Period{Months: 12}, Status: granular.Pending,
			ApproveBy: time.Date(2026, 5, 30, 9, 0, 0, 0, time.UTC),
		}
	}
	return l
}

// answered gives the request with its acceptance.
func (a asking) answered(tag lang.Tag, signed bool) invitation.Letter {
	l := a.letter(tag)
	l.Invitation.Status = invitation.Accepted
	l.Invitation.Answer = &invitation.Given{
		Company: "Larch Ltd", FullName: "Lara Larch", JobTitle: "Head of IT", At: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), AgreementStood: signed,
		Consent: invitation.ConsentText{Language: tag.String()}, Granular: a.roles != nil,
	}
	if a.roles != nil {
		l.Granular.Status, l.Granular.EndAt = granular.Active, time.Date(2027, 3, 2, 12, 0, 0, 0, time.UTC)
	}
	return l
}

// leaves finds the blocks of a page or mail that hold text alone.
var opened, leaves, style, tags = regexp.MustCompile(`<(li|dt|dd|th|td|tr|tbody|option)\b`), regexp.MustCompile(`(?is)<(p|li|h1|h2|h3|th|td|dt|dd|legend|span|strong|summary)\b[^>]*>(.*?)</`), regexp.MustCompile(`(?s)<style.*?</style>`), regexp.MustCompile(`<[^>]+>`)

func paragraphs(page string) (all []string) {
	page = opened.ReplaceAllString(style.ReplaceAllString(page, ""), "</>$0") // which ends what is open by itself
	for _, m := range leaves.FindAllStringSubmatch(page, -1) {
		if text := strings.TrimSpace(html.UnescapeString(tags.ReplaceAllString(m[2], ""))); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// show renders the page of an outcome as somebody at the customer sees it.
func (a asking) show(t *testing.T, l invitation.Letter, o outcome, offer *commerce.Signable) string {
	t.Helper()
	p := &page{
		Printer: locale.For(locale.Match(l.Invitation.Locale)), Name: o.name, Portal: l.Cloud.PortalName, Operator: "Operator", Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		clouds: partner.Clouds{l.Cloud}, roles: granular.ShippedRoles(),
		visit: &visit{offer: offer, person: &relationship.Person{
			Subject: "lara", Name: "Lara Larch", Email: "lara@larch.example", Company: relationship.Customer{Tenant: "larch", CompanyName: "Larch Ltd", Domains: []string{"larch.example"}, Country: "US", Cloud: "public"},
		}},
	}
	p.invited(l)
	if o.name == "review" {
		p.person = nil
	}
	p.Content = o.view(p)
	var out bytes.Buffer
	if err := design().templates.ExecuteTemplate(&out, o.template+".html", p); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// texts are all that anybody reads of a request: by where it stands, its paragraphs.
func (a asking) texts(t *testing.T, tag lang.Tag) map[string][]string {
	links := letter.Links{Answer: "https://portal.example/i/AQID", Report: "https://portal.example/i/AQID/report", Unsubscribe: "https://portal.example/u/AQID", Dispute: "https://portal.example/r/AQID"}
	asked := a.letter(tag)
	all := map[string][]string{}
	write := func(name string, c letter.Content) { all[name] = append(strings.Split(c.Text(), "\n"), c.Subject) }
	draft := letter.Compose(asked, links.Answer, emailaddr.Operator{Name: "Operator"})
	write("draft", draft)
	all["short draft"] = strings.Split(draft.Short(), "\n")
	write("mail", letter.Mail(asked, links, emailaddr.Operator{Name: "Operator"}))
	write("reminder", letter.Remind(asked, links, emailaddr.Operator{Name: "Operator"}))
	all["review"] = paragraphs(a.show(t, asked, outcomes[invitation.Review], nil))
	offer := &commerce.Signable{Text: terms.Text{Title: "Sample", Version: "1", Language: "en", Body: "Words.", Hash: "ab"}}
	if a.kind == invitation.Partnership {
		offer = nil
	}
	all["answer"] = paragraphs(a.show(t, asked, outcomes[invitation.Form], offer))
	all["not an administrator"] = paragraphs(a.show(t, asked, outcomes[invitation.NotAdmin], nil))
	for _, signed := range []bool{false, true} {
		given := a.answered(tag, signed)
		mark := fmt.Sprintf(", signed %v", signed)
		all["accepted"+mark] = paragraphs(a.show(t, given, outcomes[invitation.AcceptedBy], nil))
		all["dispute"+mark] = paragraphs(a.show(t, given, outcomes[invitation.DisputeForm], nil))
		all["disputed"+mark] = paragraphs(a.show(t, given, outcomes[invitation.Disputed], nil))
		write("receipt"+mark, letter.Receipt(given, links, emailaddr.Operator{Name: "Operator"}))
		write("copy"+mark, letter.Receipt(given, letter.Links{}, emailaddr.Operator{Name: "Operator"}))
		write("notice"+mark, letter.Tell(invitation.AnswerNotice, given, emailaddr.Operator{Name: "Operator"}))
		write("dispute notice"+mark, letter.Tell(invitation.DisputeNotice, given, emailaddr.Operator{Name: "Operator"}))
	}
	return all
}

var asker, placeholders = regexp.MustCompile(`\\\{(partner|name)\\\}`), regexp.MustCompile(`\\\{[a-z]+\\\}`)

// shapes find the texts of keys as they are said of who asks, whatever stands in their other placeholders.
func shapes(p *locale.Printer, keys []string) (all []*regexp.Regexp) {
	for key, text := range p.Texts("") {
		if slices.Contains(keys, key) {
			text = asker.ReplaceAllString(regexp.QuoteMeta(text), "Cedar Solutions")
			all = append(all, regexp.MustCompile("^"+placeholders.ReplaceAllString(text, ".*")+"$"))
		}
	}
	return all
}

func anyOf(shapes []*regexp.Regexp, text string) bool {
	return slices.ContainsFunc(shapes, func(r *regexp.Regexp) bool { return r.MatchString(text) })
}

// TestWhoOrders reads every draft, mail, page, consent, receipt and notice for every program role, kind and administration in every language:
// of an indirect reseller none says that it orders or asks for the customer agreement, and what asks for consent, and what follows, say that
// its provider does, by name where the request names it (0.33, rules P3, D5 and N13, invariant 10).
func TestWhoOrders(t *testing.T) {
	for _, tag := range locale.Tags {
		p := locale.For(tag)
		self, nobody := shapes(p, whoOrdersItself), shapes(p, nobodyOrders)
		every(func(a asking) {
			itself := a.role != partner.IndirectReseller
			for name, texts := range a.texts(t, tag) {
				where := fmt.Sprintf("%v, %v, %s", tag, a, name)
				says := false
				for _, text := range texts {
					switch words := trade[tag]; {
					case !words.order.MatchString(text):
					case anyOf(self, text):
						if says = true; !itself {
							t.Errorf("%s: it is said to order: %s", where, text)
						}
					case anyOf(nobody, text):
					case words.provider.MatchString(text) || strings.Contains(text, "Birch Distribution"):
						if says = true; itself && a.kind != invitation.Partnership {
							t.Errorf("%s: somebody else is said to order: %s", where, text)
						}
						if a.kind == invitation.DualReseller && !strings.Contains(text, "Birch Distribution") {
							t.Errorf("%s: the provider is known and not named: %s", where, text)
						}
					default:
						t.Errorf("%s: nobody has looked at %q", where, text)
					}
				}
				first, _, _ := strings.Cut(name, ",")
				if a.kind != invitation.Partnership && slices.Contains([]string{"draft", "mail", "reminder", "answer", "accepted", "receipt", "copy", "notice"}, first) && !says {
					t.Errorf("%s: it does not say who orders", where)
				}
			}
		})
	}
}

// What is said to come next is true: nobody is told of a signature to come that is there, and what has not changed is not new (0.33).
func TestWhatComesNextIsTrue(t *testing.T) {
	for _, tag := range locale.Tags {
		p := locale.For(tag)
		open := shapes(p, []string{"order.self", "order.provider", "order.indirect", "order.notice.self", "order.notice.provider", "order.notice.indirect"})
		listed := shapes(p, []string{"page.accepted.listed", "page.accepted.listed.dual", "page.accepted.listed.partnership"})
		every(func(a asking) {
			for name, texts := range a.texts(t, tag) {
				for _, text := range texts {
					if strings.HasSuffix(name, ", signed true") && anyOf(open, text) {
						t.Errorf("%v, %v, %s: the agreement is signed already: %s", tag, a, name, text)
					}
				}
			}
			given := a.answered(tag, true)
			given.Invitation.Answer.NoChange = true
			for _, text := range paragraphs(a.show(t, given, outcomes[invitation.AcceptedBy], nil)) {
				if anyOf(listed, text) || anyOf(open, text) {
					t.Errorf("%v, %v: nothing has changed: %s", tag, a, text)
				}
			}
		})
		for key, text := range p.Texts("") {
			if strings.HasPrefix(key, "enrolment.") || strings.HasPrefix(key, "page.record.") || strings.HasPrefix(key, "page.accepted.lead") {
				continue // where it is new
			}
			if strings.Contains(text, map[lang.Tag]string{lang.English: "from now on", lang.French: "désormais", lang.German: "ab jetzt", lang.Spanish: "desde ahora",
				lang.Japanese: "今後、", lang.SimplifiedChinese: "即日起", lang.Hindi: "अब से"}[tag]) {
				t.Errorf("%v: %s says that something is new, which may have been so before: %s", tag, key, text)
			}
		}
	}
}
