package proxy

import (
	"slices"
	"strings"

	"paddock/internal/value"
)

// gzipRules are the compiled gzip directives of a place.
type gzipRules struct {
	on        bool
	vary      bool
	http10    bool // compress for HTTP/1.0 too
	level     int
	minLength int64
	types     []string // lower case; "*": all
	proxied   []string
}

const (
	defaultGzipLevel     = 1  // nginx: gzip_comp_level
	defaultGzipMinLength = 20 // nginx: gzip_min_length
)

func defaultGzip() gzipRules {
	return gzipRules{level: defaultGzipLevel, minLength: defaultGzipMinLength}
}

var gzipProxiedWords = []string{"off", "expired", "no-cache", "no-store", "private", "no_last_modified", "no_etag", "auth", "any"}

// gzip resolves what a server or location sets over what it inherits.
func (c *compiler) gzip(key string, own *SiteSettings, g gzipRules) gzipRules {
	setBool(&g.on, own.Gzip)
	setBool(&g.vary, own.GzipVary)
	if own.GzipMinLength != nil {
		g.minLength = int64(*own.GzipMinLength)
	}
	if own.GzipCompLevel != nil {
		if g.level = *own.GzipCompLevel; g.level < 1 || g.level > 9 {
			c.problems.Addf(value.Join(key, "gzip_comp_level"), "expected 1 to 9, got %d", g.level)
		}
	}
	switch own.GzipHTTPVersion {
	case "":
	case "1.0", "1.1":
		g.http10 = own.GzipHTTPVersion == "1.0"
	default:
		c.problems.Addf(value.Join(key, "gzip_http_version"), `%q: expected "1.0" or "1.1"`, own.GzipHTTPVersion)
	}
	if own.GzipTypes != nil {
		g.types = []string{}
		for _, t := range own.GzipTypes {
			c.checkGzipType(value.Join(key, "gzip_types"), t)
			g.types = append(g.types, strings.ToLower(t))
		}
	}
	if own.GzipProxied != nil {
		g.proxied = own.GzipProxied
		for _, word := range own.GzipProxied {
			if !slices.Contains(gzipProxiedWords, word) {
				c.problems.Addf(value.Join(key, "gzip_proxied"), "%q: expected some of %s", word, strings.Join(gzipProxiedWords, ", "))
			}
		}
	}
	return g
}

func (c *compiler) checkGzipType(key, t string) {
	if t != "*" && (!strings.Contains(t, "/") || strings.ContainsAny(t, " ;,")) {
		c.problems.Addf(key, `%q: expected types such as "text/css", or "*"`, t)
	}
}

// takes reports whether answers of a Content-Type are compressed.
func (g *gzipRules) takes(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.TrimSpace(media)
	if strings.EqualFold(media, "text/html") || slices.Contains(g.types, "*") && media != "" {
		return true
	}
	for _, t := range g.types {
		if strings.EqualFold(t, media) {
			return true
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding as nginx does: the first "gzip" that stands
// as a word, unless its quality is 0. "*" counts for nothing.
func acceptsGzip(accept []byte) bool {
	for at := 0; at+len("gzip") <= len(accept); at++ {
		if !equalFold(accept[at:at+len("gzip")], "gzip") || at > 0 && accept[at-1] != ',' && accept[at-1] != ' ' {
			continue
		}
		rest := strings.TrimLeft(string(accept[at+len("gzip"):]), " ")
		if rest == "" || rest[0] == ',' {
			return true
		}
		return rest[0] == ';' && hasQuality(strings.TrimLeft(rest[1:], " "))
	}
	return false
}

// hasQuality reports whether "q=…" is a quality above 0.
func hasQuality(s string) bool {
	if s == "" {
		return true
	}
	if len(s) < 3 || s[0]|0x20 != 'q' || s[1] != '=' {
		return false
	}
	s, _, _ = strings.Cut(s[2:], ",")
	s, _, _ = strings.Cut(s, " ")
	whole, fraction, _ := strings.Cut(s, ".")
	if whole != "0" && whole != "1" || len(fraction) > 3 || strings.Trim(fraction, "0123456789") != "" {
		return false
	}
	zeros := strings.Trim(fraction, "0") == ""
	return whole == "1" && zeros || whole == "0" && !zeros
}
