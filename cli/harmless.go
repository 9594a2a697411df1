package cli

import (
	"strings"
	"unicode/utf8"
)

// harmless makes text that others wrote safe for a terminal: it can move no
// cursor, change no colour or title and reach no clipboard.
func harmless(text string) string {
	var c cleaner
	return strings.ReplaceAll(c.clean(text), "\r", "")
}

// lastDrawn is what a terminal shows in the end of a line that is drawn again
// and again, as a progress bar is.
func lastDrawn(line string) string {
	line = strings.TrimRight(line, "\r")
	return line[strings.LastIndexByte(line, '\r')+1:]
}

// sequence is where in a control sequence a cleaner is.
type sequence int

const (
	inText sequence = iota
	// afterEscape: ESC was read.
	afterEscape
	// inSequence: a sequence with parameters (CSI), up to its final byte.
	inSequence
	// inString: a sequence with a text (OSC, DCS ...), up to BEL or ST.
	inString
	// inStringEscape: ESC was read in such a text.
	inStringEscape
)

// cleaner removes control sequences from a stream that comes in pieces. What is
// kept are texts, line ends, tabs and carriage returns. A line end ends every
// sequence, so that one that was cut off hides one line at most.
type cleaner struct {
	at sequence
	// rest is the beginning of a character whose other bytes have yet to come.
	rest string
}

// clean returns what is harmless of the next piece.
func (c *cleaner) clean(text string) string {
	text = c.rest + text
	c.rest = ""
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && size == 1 && !utf8.FullRuneInString(text) {
			c.rest = text
			break
		}
		text = text[size:]
		if c.keeps(r) {
			_, _ = b.WriteRune(r)
		}
	}
	return b.String()
}

// keeps takes the next character and reports whether it stays.
func (c *cleaner) keeps(r rune) bool {
	const escape, bell = 0x1b, 0x07
	if r == '\n' {
		c.at = inText
		return true
	}
	switch c.at {
	case inText:
		return c.begins(r)
	case afterEscape:
		c.at = inText
		switch {
		case r == '[':
			c.at = inSequence
		case strings.ContainsRune("]P_^X", r):
			c.at = inString
		case r >= ' ' && r <= '/', r == escape: // further bytes follow
			c.at = afterEscape
		}
	case inSequence:
		if r >= '@' && r <= '~' {
			c.at = inText
		}
	case inString:
		switch r {
		case bell, 0x9c:
			c.at = inText
		case escape:
			c.at = inStringEscape
		}
	case inStringEscape:
		c.at = inString
		if r == '\\' {
			c.at = inText
		}
	}
	return false
}

// begins takes a character outside of any sequence.
func (c *cleaner) begins(r rune) bool {
	switch {
	case r == 0x1b:
		c.at = afterEscape
	case r == 0x9b: // C1 controls are sequences in one character
		c.at = inSequence
	case r == 0x90, r == 0x98, r >= 0x9d && r <= 0x9f:
		c.at = inString
	case r == '\t', r == '\r':
		return true
	case r < ' ', r >= 0x7f && r < 0xa0:
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069: // they turn the writing direction
	default:
		return true
	}
	return false
}
