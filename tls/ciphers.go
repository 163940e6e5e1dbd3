package tls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// protocols are the versions that are spoken (security rule: TLS 1.2 and newer only).
var protocols = map[string]uint16{"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}

// versions are the lowest and the highest version of a site.
type versions struct{ low, high uint16 }

// parseProtocols returns the range of versions; none given is all.
func parseProtocols(names []string) (versions, error) {
	if len(names) == 0 {
		return versions{tls.VersionTLS12, tls.VersionTLS13}, nil
	}
	var v versions
	for _, text := range names {
		for name := range strings.FieldsSeq(text) { // nginx's way: one string of words
			n, ok := protocols[name]
			if !ok {
				return v, fmt.Errorf("%q: expected TLSv1.2 or TLSv1.3; what is older is not safe", name)
			}
			if v.low == 0 || n < v.low {
				v.low = n
			}
			v.high = max(v.high, n)
		}
	}
	if v.low == 0 {
		return v, errors.New("no protocol; expected TLSv1.2, TLSv1.3 or both")
	}
	return v, nil
}

// ciphers maps OpenSSL's names to the ciphers of TLS 1.2 that are offered: AEAD with
// forward secrecy, in Go's order of preference, which knows what the machine does fast.
var ciphers = map[string]uint16{
	"ECDHE-ECDSA-AES128-GCM-SHA256": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-RSA-AES128-GCM-SHA256":   tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-ECDSA-AES256-GCM-SHA384": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-RSA-AES256-GCM-SHA384":   tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-ECDSA-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-CHACHA20-POLY1305":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// passedOver are names that stand in the lists of every guide: those of TLS 1.3, which
// Go always offers all of, and finite-field ones, which it has none of.
var passedOver = []string{
	"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
	"DHE-RSA-AES128-GCM-SHA256", "DHE-RSA-AES256-GCM-SHA384", "DHE-RSA-CHACHA20-POLY1305",
}

// keywords of OpenSSL that mean all of ours.
var keywords = []string{"HIGH", "DEFAULT", "ALL", "ECDHE", "EECDH", "AESGCM", "ECDHE+AESGCM", "EECDH+AESGCM", "ECDHE+CHACHA20", "EECDH+CHACHA20"}

// parseCiphers returns the ciphers of a list in OpenSSL's form; of an empty one, all.
func parseCiphers(list string) ([]uint16, error) {
	if list == "" {
		return allCiphers(), nil
	}
	var out []uint16
	for word := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ':' || r == ',' || r == ' ' }) {
		switch id, known := ciphers[word]; {
		case known:
			out = append(out, id)
		case slices.Contains(keywords, word):
			out = append(out, allCiphers()...)
		case slices.Contains(passedOver, word):
		case isExclusion(word):
		default:
			return nil, fmt.Errorf("unknown or unsafe cipher %q; expected %s", word, strings.Join(cipherNames(), ":"))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%q leaves no cipher; expected one of %s", list, strings.Join(cipherNames(), ":"))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// isExclusion knows "!aNULL" and the like. What they take away is not offered anyway;
// one of a cipher that is would be obeyed wrongly, so it is no exclusion.
func isExclusion(word string) bool {
	if word[0] != '!' && word[0] != '-' {
		return false
	}
	switch word[1:] {
	case "aNULL", "eNULL", "NULL", "EXPORT", "EXP", "LOW", "MEDIUM", "DES", "3DES", "RC4", "MD5", "PSK", "SRP", "DSS",
		"CAMELLIA", "SEED", "IDEA", "kRSA", "aDH", "DH", "SHA1", "SHA", "ADH", "AECDH", "kEDH", "CBC", "RSA", "SSLv3", "TLSv1":
		return true
	}
	return false
}

func allCiphers() []uint16 {
	var out []uint16
	for _, id := range ciphers {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func cipherNames() []string {
	var out []string
	for name := range ciphers {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
