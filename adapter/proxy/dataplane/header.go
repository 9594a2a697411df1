package dataplane

import (
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// ours reports whether a request header of that canonical name is never passed
// on as it came: it belongs to one connection, or the proxy writes it itself.
func ours(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings",
		"Host", "Content-Length", "Expect",
		"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto":
		return true
	}
	return false
}

// disguised reports whether name is one of ours with underscores, which many
// applications cannot tell from dashes.
func disguised(name string) bool {
	return strings.IndexByte(name, '_') >= 0 &&
		ours(textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-")))
}

// listed reports whether one of the Connection headers names the header.
func listed(connection []string, name string) bool {
	for _, value := range connection {
		for token := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(token), name) {
				return true
			}
		}
	}
	return false
}

// upgradeOf returns the protocol that the message wants to switch to, or "".
func upgradeOf(h http.Header) string {
	if !listed(h["Connection"], "upgrade") {
		return ""
	}
	return h.Get("Upgrade")
}

// sendable reports whether r can be written as an HTTP/1.1 request without
// changing its meaning. The server has refused most of what cannot; HTTP/2 lets
// more through.
func sendable(r *http.Request) bool {
	if r.Method == "" || r.Method == http.MethodConnect || !plain(r.Method) || !plain(r.Host) {
		return false
	}
	if strings.ContainsAny(r.Host, "/@\\,\"'<>") {
		return false
	}
	return r.URL.RequestURI() == "*" || strings.HasPrefix(r.URL.RequestURI(), "/")
}

// plain reports whether s holds only visible ASCII.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// requestTarget returns what stands between method and version: as the client
// wrote it, if that is safe.
func requestTarget(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") && plain(r.RequestURI) {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// appendHeader appends the request's header as the target gets it.
func appendHeader(b []byte, r *http.Request, body *requestBody, upgrade string) []byte {
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, requestTarget(r)...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host...)
	b = append(b, "\r\n"...)
	connection := r.Header["Connection"]
	for name, values := range r.Header {
		if ours(name) || disguised(name) || (connection != nil && listed(connection, name)) {
			continue
		}
		for _, value := range values {
			b = appendLine(b, name, value)
		}
	}
	b = appendForwarded(b, r)
	b = appendFraming(b, r, body)
	if upgrade != "" {
		b = appendLine(b, "Connection", "Upgrade")
		b = appendLine(b, "Upgrade", upgrade)
	}
	return append(b, "\r\n"...)
}

// appendLine appends one header, unless its value would end the line early.
func appendLine(b []byte, name, value string) []byte {
	if strings.IndexByte(value, '\n') >= 0 || strings.IndexByte(value, '\r') >= 0 || strings.IndexByte(value, 0) >= 0 {
		return b
	}
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// appendFraming says where the body ends. It never repeats the client's words:
// what the proxy has read is what it announces.
func appendFraming(b []byte, r *http.Request, body *requestBody) []byte {
	switch {
	case body.kept != nil:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(body.kept.Len()), 10)
		return append(b, "\r\n"...)
	case body.stream == nil:
		if r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
			return append(b, "Content-Length: 0\r\n"...)
		}
		return b
	case body.length >= 0:
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, body.length, 10)
		return append(b, "\r\n"...)
	default:
		return append(b, "Transfer-Encoding: chunked\r\n"...)
	}
}

// appendForwarded says for whom the request is made. What a client says of
// itself is kept only when it comes from this machine, where it is another
// proxy in front of us.
func appendForwarded(b []byte, r *http.Request) []byte {
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		client = ""
	}
	trusted := strings.HasPrefix(client, "127.") || client == "::1"
	b = append(b, "X-Forwarded-For: "...)
	if before := r.Header["X-Forwarded-For"]; trusted && len(before) > 0 {
		b = appendClean(b, strings.Join(before, ", "))
		b = append(b, ", "...)
	}
	b = append(b, client...)
	b = append(b, "\r\n"...)
	b = appendOr(b, r, "X-Forwarded-Host", r.Host, trusted)
	b = appendOr(b, r, "X-Forwarded-Proto", scheme(r), trusted)
	if forwarded := r.Header["Forwarded"]; trusted && len(forwarded) > 0 {
		b = appendLine(b, "Forwarded", strings.Join(forwarded, ", ")+", "+forwardedElement(client, r))
	}
	return b
}

// appendClean appends a value without anything that would end its line.
func appendClean(b []byte, value string) []byte {
	for i := range len(value) {
		if c := value[i]; c >= ' ' || c == '\t' {
			b = append(b, c)
		}
	}
	return b
}

func appendOr(b []byte, r *http.Request, name, value string, trusted bool) []byte {
	if before := r.Header[name]; trusted && len(before) == 1 {
		value = before[0]
	}
	return appendLine(b, name, value)
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// forwardedElement is one element of RFC 7239's header.
func forwardedElement(client string, r *http.Request) string {
	node := client
	if strings.Contains(client, ":") {
		node = `"[` + client + `]"`
	}
	return "for=" + node + ";host=" + strconv.Quote(r.Host) + ";proto=" + scheme(r)
}

// copyAnswerHeader copies the header of a target's answer, without what belongs
// to the connection it came on.
func copyAnswerHeader(to, from http.Header, keepUpgrade bool) {
	connection := from["Connection"]
	for name, values := range from {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding":
			continue
		case "Upgrade":
			if !keepUpgrade {
				continue
			}
		}
		if connection != nil && name != "Upgrade" && listed(connection, name) {
			continue
		}
		to[name] = values
	}
}
