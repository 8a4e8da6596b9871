package locale

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
	"golang.org/x/text/unicode/norm"

	"concord/internal/country"
)

var update = flag.Bool("update", false, "write the files of country names")

// empty are territories where nobody lives: they have names, but no company chooses one of them.
var empty = strings.Fields("AQ BV GS HM TF")

// renamed are the countries that have another name than in the CLDR of x/text, which is version 32.
var renamed = map[string]map[language.Tag]string{
	"MK": {
		language.English: "North Macedonia", language.French: "Macédoine du Nord", language.German: "Nordmazedonien",
		language.Spanish: "Macedonia del Norte", language.Japanese: "北マケドニア", language.SimplifiedChinese: "北马其顿", language.Hindi: "उत्तरी मकदूनिया",
	},
	"SZ": {
		language.English: "Eswatini", language.French: "Eswatini", language.German: "Eswatini",
		language.Spanish: "Esuatini", language.Japanese: "エスワティニ", language.SimplifiedChinese: "斯威士兰", language.Hindi: "एस्वाटिनी",
	},
}

// TestCountriesAreThoseOfCLDR compares country.<language>.json with the names in x/text; -update writes them.
func TestCountriesAreThoseOfCLDR(t *testing.T) {
	for _, tag := range Tags {
		names := map[string]string{}
		for a := 'A'; a <= 'Z'; a++ {
			for b := 'A'; b <= 'Z'; b++ {
				code := string([]rune{a, b})
				region, err := language.ParseRegion(code)
				if err != nil || !country.Valid(code) {
					continue
				}
				name := display.Regions(tag).Name(region)
				if now, ok := renamed[code]; ok {
					name = now[tag]
				}
				if name != "" && name != code {
					names["country."+code] = name
				}
			}
		}
		if len(names) < 245 {
			t.Fatalf("%v: %d countries", tag, len(names))
		}
		names["country."+orderOfCountries] = strings.Join(order(tag, names), " ")
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(names); err != nil {
			t.Fatal(err)
		}
		file := "messages/country." + tag.String() + ".json"
		if *update {
			if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is not what CLDR says; go test -update writes it", file)
		}
	}
}

// order gives the codes in the order of the language's names: of its alphabet, of pinyin, of the Japanese syllabary.
func order(tag language.Tag, names map[string]string) []string {
	codes := make([]string, 0, len(names))
	for key := range maps.Keys(names) {
		if code := strings.TrimPrefix(key, "country."); !slices.Contains(empty, code) {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	name := func(code string) string { return names["country."+code] }
	compare := collate.New(tag).CompareString
	if tag == language.Japanese {
		compare = func(a, b string) int { return cmp.Compare(kana(a), kana(b)) }
	}
	slices.SortStableFunc(codes, func(a, b string) int { return compare(name(a), name(b)) })
	return codes
}

// readings of the Chinese characters in Japanese names of countries.
var readings = strings.NewReplacer(
	"中華人民共和国香港特別行政区", "ホンコン", "中華人民共和国マカオ特別行政区", "マカオ", "合衆国領有小離島", "ガツシユウコク",
	"英領", "エイリヨウ", "仏領", "フツリヨウ", "米領", "ベイリヨウ", "韓国", "カンコク", "台湾", "タイワン", "中央", "チユウオウ", "中国", "チユウゴク",
	"日本", "ニホン", "赤道", "セキドウ", "南極", "ナンキヨク", "北朝鮮", "キタチヨウセン", "北", "キタ", "南", "ミナミ", "東", "ヒガシ", "西", "ニシ",
)

// kana gives what a Japanese name is sorted by. The collation of x/text is no help: it knows no readings, and sorts the
// mark of a long vowel before everything. Voicing and size of the letters do not count here.
func kana(name string) string {
	const large, small = "アイウエオツヤユヨワカケ", "ァィゥェォッャュョヮヵヶ"
	vowels := map[rune]string{
		'ア': "アカサタナハマヤラワ", 'イ': "イキシチニヒミリ", 'ウ': "ウクスツヌフムユル", 'エ': "エケセテネヘメレ", 'オ': "オコソトノホモヨロ",
	}
	var out []rune
	for _, r := range norm.NFD.String(readings.Replace(name)) {
		if i := strings.IndexRune(small, r); i >= 0 {
			r = []rune(large)[i/len("ァ")]
		}
		switch {
		case r == '\u3099' || r == '\u309A' || r == '・':
			continue
		case r == 'ー' && len(out) > 0:
			for vowel, row := range vowels {
				if strings.ContainsRune(row, out[len(out)-1]) {
					r = vowel
				}
			}
		}
		out = append(out, r)
	}
	return string(out)
}

func TestCountry(t *testing.T) {
	for tag, want := range map[language.Tag]string{
		language.English: "Germany", language.French: "Allemagne", language.German: "Deutschland", language.Spanish: "Alemania",
		language.Japanese: "ドイツ", language.SimplifiedChinese: "德国", language.Hindi: "जर्मनी",
	} {
		if got := For(tag).Country("DE"); got != want {
			t.Errorf("%v: %q, want %q", tag, got, want)
		}
		for _, code := range []string{"??", "", "EU", orderOfCountries} {
			if got := For(tag).Country(code); got != code {
				t.Errorf("%v: %q gives %q", tag, code, got)
			}
		}
	}
}

// TestOrderOfCountries names countries that have to follow one another, in the order of their language.
func TestOrderOfCountries(t *testing.T) {
	for tag, want := range map[language.Tag]string{
		language.English:           "AF AX AL ZM ZW",
		language.French:            "AF EG EE ZW",             // Afghanistan Égypte Estonie Zimbabwe
		language.German:            "AF EG AL AT CY",          // Afghanistan Ägypten Albanien Österreich Zypern
		language.Spanish:           "AF ES EE ZW",             // Afganistán España Estonia Zimbabue
		language.Hindi:             "AO IN GB US HN",          // अंगोला भारत यूनाइटेड संयुक्त होंडूरास
		language.Japanese:          "IS US GH KR CN DE JP FR", // アイスランド アメリカ ガーナ 韓国 中国 ドイツ 日本 フランス
		language.SimplifiedChinese: "AL DE FR US JP SG GB CN", // ā dé fǎ měi rì xīn yīng zhōng
	} {
		var all []string
		for code, name := range For(tag).Countries() {
			if name == code || name != For(tag).Country(code) {
				t.Errorf("%v: %s is called %q", tag, code, name)
			}
			all = append(all, code)
		}
		if once := slices.Compact(slices.Sorted(slices.Values(all))); len(once) != len(all) || len(all) < 240 {
			t.Errorf("%v: %d countries, %d of them different", tag, len(all), len(once))
		}
		last := -1
		for _, code := range strings.Fields(want) {
			i := slices.Index(all, code)
			if i <= last {
				t.Errorf("%v: %s is at %d, the one before it at %d", tag, code, i, last)
			}
			last = i
		}
	}
}
