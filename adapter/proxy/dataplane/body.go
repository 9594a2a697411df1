package dataplane

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

const (
	copyBuffer = 32 << 10
	// bodyPatience is how long a client may pause within a body, and how long
	// it may leave an answer unread.
	bodyPatience = 60 * time.Second
)

// buffers are the reused pieces of memory.
type buffers struct {
	head sync.Pool // *[]byte: request headers
	body sync.Pool // *bytes.Buffer: kept bodies
	copy sync.Pool // *[]byte: for copying
}

func newBuffers() *buffers {
	return &buffers{
		head: sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }},
		body: sync.Pool{New: func() any { return new(bytes.Buffer) }},
		copy: sync.Pool{New: func() any { b := make([]byte, copyBuffer); return &b }},
	}
}

func (b *buffers) bytes(p *sync.Pool) *[]byte {
	if v, ok := p.Get().(*[]byte); ok {
		return v
	}
	return new([]byte)
}

// clientReads sets the deadline of reads from a client.
type clientReads struct {
	control *http.ResponseController
	mu      sync.Mutex
	stopped bool
}

// until limits the reads that follow; the zero time is no limit.
func (c *clientReads) until(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped {
		_ = c.control.SetReadDeadline(t)
	}
}

// stop makes the read in progress and all later ones fail.
func (c *clientReads) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	_ = c.control.SetReadDeadline(longAgo())
}

// readBody takes in the body of r: all of it when it is small, else nothing yet.
func (p *Proxy) readBody(in *inbound, limit int) (*requestBody, error) {
	r := in.r
	b := &requestBody{read: in.bytesRead}
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return b, nil
	}
	control := http.NewResponseController(in.w)
	b.client = &clientReads{control: control}
	if r.ContentLength < 0 || r.ContentLength > int64(limit) {
		b.stream, b.length = r.Body, r.ContentLength
		_ = control.EnableFullDuplex() // HTTP/2 has it always and says it does not know it
		return b, nil
	}
	kept, ok := p.buffers.body.Get().(*bytes.Buffer)
	if !ok {
		kept = new(bytes.Buffer)
	}
	kept.Reset()
	kept.Grow(int(r.ContentLength) + bytes.MinRead)
	b.client.until(p.now().Add(bodyPatience))
	n, err := kept.ReadFrom(r.Body)
	b.client.until(time.Time{})
	in.bytesRead(int(n))
	if err == nil && n != r.ContentLength {
		err = io.ErrUnexpectedEOF
	}
	b.kept = kept
	return b, err
}

// freeBody gives the memory of b back; nothing may use b any more.
func (p *Proxy) freeBody(b *requestBody) {
	if b.kept != nil {
		p.buffers.body.Put(b.kept)
		b.kept = nil
	}
}

// copyTo streams the body to the exchange's connection, framed by its length or
// in chunks, each piece as soon as it has come.
func (b *requestBody) copyTo(x *exchange) error {
	out := bufio.NewWriterSize(x.conn, copyBuffer)
	var framed io.Writer = out
	var chunks io.WriteCloser
	if b.length < 0 {
		chunks = httputil.NewChunkedWriter(out)
		framed = chunks
	}
	piece := make([]byte, copyBuffer)
	for {
		b.client.until(x.now().Add(bodyPatience))
		n, err := b.stream.Read(piece)
		b.read(n)
		_ = x.conn.SetWriteDeadline(x.now().Add(bodyPatience))
		if n > 0 {
			if _, err := framed.Write(piece[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			b.client.until(time.Time{})
			return endBody(out, chunks)
		}
		if err != nil {
			// the target must not take what came for the whole body.
			x.abort(stoppedByClient)
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

func endBody(out *bufio.Writer, chunks io.Closer) error {
	if chunks != nil {
		if err := chunks.Close(); err != nil {
			return err
		}
		if _, err := out.WriteString("\r\n"); err != nil {
			return err
		}
	}
	return out.Flush()
}
