package webhook

import (
	"net/netip"
	"net/url"
	"strings"

	"concord/internal/problem"
)

// Addresses says to where deliveries may go.
type Addresses struct {
	// Local also takes http and https at 127.0.0.1, at any port; only a local stack sets it.
	Local bool
}

// loopback is the one address that a local stack takes.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// Check returns what is wrong with the URL of an endpoint ([problem.ValidationFailed]), or nil: https at port 443 of a named
// host, without user, password and fragment. Where the name leads is looked at when it is dialled ([Addresses.Allows]).
func (a Addresses) Check(text string) error {
	u, err := url.Parse(text)
	wrong := func(what string) error {
		return problem.New(problem.ValidationFailed, "This must be %s, such as https://hooks.example.com/concord.", what)
	}
	if err != nil || len(text) > MaxURL || u.Opaque != "" || u.Hostname() == "" || u.Fragment != "" || u.User != nil ||
		strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return wrong("an https URL of at most 500 ASCII characters, without user, password and fragment")
	}
	if a.Local && u.Hostname() == loopback.String() && (u.Scheme == "http" || u.Scheme == "https") {
		return nil
	}
	if _, err := netip.ParseAddr(u.Hostname()); u.Scheme != "https" || err == nil || !strings.Contains(u.Hostname(), ".") {
		return wrong("an https URL with the name of a public host")
	}
	if p := u.Port(); p != "" && p != "443" {
		return wrong("an https URL at port 443")
	}
	return nil
}

// reserved are ranges that no public host has, beside those that netip knows (RFC 6890 and its registries), and those by
// which IPv6 leads to IPv4.
var reserved = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
	"2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
)

func prefixes(all ...string) (out []netip.Prefix) {
	for _, each := range all {
		out = append(out, netip.MustParsePrefix(each))
	}
	return out
}

// Allows reports whether a delivery may be sent to an address and port: a public one at 443.
func (a Addresses) Allows(to netip.AddrPort) bool {
	ip := to.Addr()
	if a.Local && ip.Unmap() == loopback {
		return true
	}
	if to.Port() != 443 || !ip.IsValid() || ip.Is4In6() || ip.Zone() != "" || !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
