package dynamo

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"concord/internal/invitation"
)

// An entry of the timeline is one text of seven fields between tabs: when (seconds since 1970 in base 36), action, by, correlation
// id, key, body, why. It has at most 120 bytes, apart from why, where a user may have given up to 100 characters of a reason.
//
// By is "=" for who created the invitation and "!" for who answered it. A subject of more than 40 bytes of somebody else is
// kept as "~" and a hash, and a correlation id that is no UUID loses what is beyond 36 bytes.
const (
	creator  = "="
	answerer = "!"

	maxBy          = 40
	maxCorrelation = 36
)

var separators = strings.NewReplacer("\t", " ", "\n", " ")

func encodeEntry(e invitation.Entry, createdBy, answeredBy string) string {
	by := e.By
	switch {
	case by != "" && by == createdBy:
		by = creator
	case by != "" && by == answeredBy:
		by = answerer
	case len(by) > maxBy || by == creator || by == answerer || strings.ContainsAny(by, "\t\n"):
		sum := sha256.Sum256([]byte(by))
		by = "~" + base64.RawURLEncoding.EncodeToString(sum[:9])
	default:
		by = pack(by)
	}
	return strings.Join([]string{
		strconv.FormatInt(e.At.Unix(), 36), separators.Replace(e.Action), by, pack(shortened(e.CorrelationID)), pack(separators.Replace(e.Key)),
		pack(separators.Replace(e.Body)), e.Why,
	}, "\t")
}

// shortened gives a correlation id as it is kept.
func shortened(correlation string) string {
	correlation = separators.Replace(correlation)
	for len(correlation) > maxCorrelation {
		_, last := utf8.DecodeLastRuneInString(correlation)
		correlation = correlation[:len(correlation)-last]
	}
	return correlation
}

func decodeEntry(s, createdBy, answeredBy string) (invitation.Entry, error) {
	f := strings.SplitN(s, "\t", 7)
	if len(f) != 7 {
		return invitation.Entry{}, errors.New("dynamo: an entry of the timeline has not its seven fields")
	}
	at, err := strconv.ParseInt(f[0], 36, 64)
	if err != nil {
		return invitation.Entry{}, errors.New("dynamo: an entry of the timeline has no time")
	}
	e := invitation.Entry{At: time.Unix(at, 0).UTC(), Action: f[1], Why: f[6]}
	switch f[2] {
	case creator:
		e.By = createdBy
	case answerer:
		e.By = answeredBy
	default:
		e.By, err = unpack(f[2])
	}
	for n, to := range map[int]*string{3: &e.CorrelationID, 4: &e.Key, 5: &e.Body} {
		text, fault := unpack(f[n])
		if *to = text; fault != nil {
			err = fault
		}
	}
	return e, err
}
