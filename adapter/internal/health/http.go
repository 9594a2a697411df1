package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

const (
	bodyLimit    = 1 << 20 // in bytes; what comes after it is not read
	excerptLines = 8
	excerptWidth = 200
	maxRedirects = 5
)

// client asks over connections of its own, as a new client does: a kept
// connection would go to an instance that no longer takes new ones.
func (s *Settings) client(k Asker) *http.Client {
	timeout := s.AttemptTimeout.Std()
	c := &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy: nil, DisableKeepAlives: true, DisableCompression: true,
			DialContext:         k.dial,
			TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if s.FollowRedirects {
		c.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			return nil
		}
	}
	return c
}

func (k Asker) http(ctx context.Context, s Settings, at string) error {
	at, secrets, err := k.expand(ctx, at)
	if err != nil {
		return err
	}
	want, more, err := k.expand(ctx, s.Contains)
	if err != nil {
		return err
	}
	secrets = append(secrets, more...)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
	if err != nil {
		return bad(err, secrets)
	}
	request.Header.Set("User-Agent", "ripcord")
	response, err := s.client(k).Do(request)
	if err != nil {
		return bad(err, secrets)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, bodyLimit))
	err = errors.Join(err, response.Body.Close())
	return s.judge(response, string(body), err, want, secrets)
}

func (s *Settings) judge(response *http.Response, body string, err error, want string, secrets []string) error {
	a := &AnswerError{Lines: excerpt(hide(body, secrets)), err: err}
	status := fmt.Sprintf("status %d", response.StatusCode)
	if to := response.Header.Get("Location"); to != "" && !s.FollowRedirects {
		status += " to " + hide(to, secrets)
	}
	switch {
	case s.Status == 0 && (response.StatusCode < 200 || response.StatusCode > 299):
		a.Text = status
	case s.Status != 0 && response.StatusCode != s.Status:
		a.Text = fmt.Sprintf("%s, expected %d", status, s.Status)
	case err != nil:
		a.Text = fmt.Sprintf("%s, but its body broke off: %s", status, bad(err, secrets).Text)
	case !strings.Contains(body, want):
		a.Text = fmt.Sprintf("%s, but its body does not contain %q", status, hide(want, secrets))
	default:
		return nil
	}
	if len(a.Lines) > 0 {
		a.Text += ": " + a.Lines[0]
	}
	return a
}

// excerpt is the beginning of an answer's body, for people.
func excerpt(body string) []string {
	var lines []string
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(strings.Map(printable, line))
		if line == "" {
			continue
		}
		if lines = append(lines, cut(line, excerptWidth)); len(lines) == excerptLines {
			break
		}
	}
	return lines
}

// cut shortens a text to a number of bytes, between two characters.
func cut(text string, width int) string {
	if len(text) <= width {
		return text
	}
	for !utf8.RuneStart(text[width]) {
		width--
	}
	return text[:width] + "…"
}

func printable(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f || r == utf8.RuneError {
		return -1
	}
	return r
}
