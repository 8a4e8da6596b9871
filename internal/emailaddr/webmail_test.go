package emailaddr

import (
	"encoding/json"
	"strings"
	"testing"
)

// Every domain of the list is one that can be found: as it is registered, in ASCII and lower case, and once.
func TestWebmailIsListedAsRegistered(t *testing.T) {
	if n := len(webmail().domains); n < 300 {
		t.Errorf("%d domains", n)
	}
	var file struct{ Providers []struct{ Domains []string } }
	if err := json.Unmarshal(webmailData, &file); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range file.Providers {
		for _, d := range p.Domains {
			if seen[d] {
				t.Errorf("%s is there twice", d)
			}
			seen[d] = true
		}
	}
	for d, provider := range webmail().domains {
		if r := Registered("a@" + d); r != d {
			t.Errorf("%s of %s is registered as %s", d, provider, r)
		}
		if _, err := (Addresses{}).Check("a@" + d); err != nil {
			t.Errorf("%s: %v", d, err)
		}
	}
	for b := range webmail().brands {
		if strings.Contains(b, ".") || b != strings.ToLower(b) {
			t.Errorf("brand %q", b)
		}
	}
}

// The countries in which partners and customers are most, and every one of a market with several, have theirs.
func TestWebmailOfEveryCountry(t *testing.T) {
	for country, addresses := range map[string]string{
		"everywhere": "a@gmail.com A@Googlemail.com a@ME.com a@icloud.com a@proton.me a@mail.outlook.com a@hotmail.com.tr a@mail.com gmail.com YAHOO.co.jp",
		"AT":         "a@gmx.at a@aon.at a@a1.net", "AU": "a@bigpond.com a@optusnet.com.au a@yahoo.com.au", "BE": "a@skynet.be a@telenet.be", "BG": "a@abv.bg a@mail.bg",
		"BR": "a@uol.com.br a@bol.com.br a@terra.com.br a@outlook.com.br", "CA": "a@sympatico.ca a@rogers.com", "CH": "a@bluewin.ch a@gmx.ch a@hispeed.ch",
		"CN": "a@qq.com a@vip.qq.com a@163.com a@126.com a@yeah.net a@sina.com a@vip.sina.com a@sohu.com a@139.com a@189.cn a@aliyun.com a@foxmail.com",
		"CY": "a@cytanet.com.cy", "CZ": "a@seznam.cz a@email.cz a@centrum.cz", "DE": "a@gmx.de a@gmx.net a@web.de a@t-online.de a@freenet.de a@arcor.de a@posteo.de a@mailbox.org",
		"DK": "a@mail.dk a@jubii.dk", "EE": "a@hot.ee a@mail.ee", "ES": "a@telefonica.net a@terra.es a@hotmail.es a@yahoo.es",
		"FI": "a@kolumbus.fi a@suomi24.fi a@luukku.com", "FR": "a@orange.fr a@wanadoo.fr a@free.fr a@sfr.fr a@laposte.net a@bbox.fr a@neuf.fr",
		"GB": "a@btinternet.com a@sky.com a@virginmedia.com a@talktalk.net a@yahoo.co.uk a@live.co.uk a@aol.co.uk", "GR": "a@otenet.gr a@in.gr",
		"HK": "a@netvigator.com", "HR": "a@net.hr a@inet.hr", "HU": "a@freemail.hu a@citromail.hu", "IE": "a@eircom.net",
		"IN": "a@rediffmail.com a@yahoo.co.in a@indiatimes.com a@zohomail.in", "IS": "a@simnet.is", "IT": "a@libero.it a@virgilio.it a@alice.it a@tiscali.it a@tin.it",
		"JP": "a@docomo.ne.jp a@ezweb.ne.jp a@softbank.ne.jp a@i.softbank.jp a@au.com a@yahoo.co.jp a@ybb.ne.jp a@nifty.com a@biglobe.ne.jp a@ocn.ne.jp",
		"KR": "a@naver.com a@daum.net a@hanmail.net a@kakao.com a@nate.com", "LI": "a@adon.li", "LT": "a@one.lt a@inbox.lt", "LU": "a@pt.lu", "LV": "a@inbox.lv",
		"MC": "a@libello.com", "MT": "a@onvol.net", "MX": "a@prodigy.net.mx a@yahoo.com.mx", "NL": "a@ziggo.nl a@kpnmail.nl a@planet.nl a@home.nl", "NO": "a@online.no",
		"NZ": "a@xtra.co.nz", "PL": "a@wp.pl a@o2.pl a@onet.pl a@interia.pl a@gazeta.pl", "PR": "a@coqui.net", "PT": "a@sapo.pt", "RO": "a@clicknet.ro", "RU": "a@mail.ru a@yandex.com a@ya.ru",
		"SE": "a@telia.com a@spray.se a@comhem.se", "SI": "a@siol.net", "SK": "a@azet.sk a@zoznam.sk", "TW": "a@hinet.net a@yahoo.com.tw", "UA": "a@ukr.net", "ZA": "a@mweb.co.za",
		"US": "a@aol.com a@comcast.net a@att.net a@verizon.net a@sbcglobal.net a@cox.net a@charter.net a@earthlink.net a@msn.com a@live.com",
	} {
		for a := range strings.FieldsSeq(addresses) {
			if _, ok := Webmail(a); !ok {
				t.Errorf("%s: %s is taken for a company's", country, a)
			}
		}
	}
}

// What hides an address behind another is no company's either, below whichever name it hands addresses out.
func TestRelaysAreNoCompanies(t *testing.T) {
	for a, want := range map[string]string{
		"x7k2@privaterelay.appleid.com": "Hide My Email of Apple", "me@icloud.com": "iCloud Mail", "x@duck.com": "DuckDuckGo Email Protection", "x@me.mozmail.com": "Firefox Relay",
		"x@slmail.me": "SimpleLogin", "x@aleeas.com": "SimpleLogin", "x.y@passmail.net": "Proton Pass", "x@larry.anonaddy.com": "addy.io",
	} {
		if got, _ := Webmail(a); got != want {
			t.Errorf("%s is of %q, want %q", a, got, want)
		}
	}
}

// An address of a company that only looks like webmail is none.
func TestNoWebmail(t *testing.T) {
	for _, a := range []string{
		"a@gorse.example", "a@notgmail.com", "a@live.agency", "a@gmail.com.gorse.example", "a@outlook.agency", "gorse.example", "orange.com", "a@myfree.fr", "a@web.de.larch.com", "a@qq.com.cn",
	} {
		if p, ok := Webmail(a); ok {
			t.Errorf("%s is %s", a, p)
		}
	}
}
