package dataplane

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// taken is what a successor got.
type taken struct {
	sockets *sockets
	state   *State
	report  predecessor
	link    *link
}

// takeOver asks the process that works in dir for everything. It must be the one
// that the options name: whoever has come after it has not been meant, as long as
// it lives.
func takeOver(ctx context.Context, dir string, o options) (*taken, error) {
	client := NewClient(dir)
	status, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	pid := status.PID
	// One that lost its shim may have been replaced before: whoever inherits takes
	// over from whoever is there.
	heir := o.inherit && (o.takeOver == 0 || errors.Is(syscall.Kill(o.takeOver, 0), syscall.ESRCH))
	if pid != o.takeOver && !heir {
		return nil, fmt.Errorf("process %d works in %s, not %d, which was to be replaced", pid, dir, o.takeOver)
	}
	if status.State.Listen != o.listen {
		return nil, fmt.Errorf("it listens on %s, not on %s", status.State.Listen, o.listen)
	}
	conn, err := client.dial(ctx, "", "")
	if err != nil {
		return nil, err
	}
	local, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.New("the control socket is none")
	}
	got, err := receive(local, o)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("take over from process %d: %w", pid, err)
	}
	return got, nil
}

func receive(conn *net.UnixConn, o options) (*taken, error) {
	_ = conn.SetDeadline(o.now().Add(handOverPatience))
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: proxy\r\nContent-Length: 0\r\n\r\n", handOverPath); err != nil {
		return nil, err
	}
	const frame, descriptors, descriptorSize = 5, 4, 4
	head, oob := make([]byte, frame), make([]byte, syscall.CmsgSpace(descriptors*descriptorSize))
	n, oobn, _, _, err := conn.ReadMsgUnix(head, oob)
	if err != nil {
		return nil, err
	}
	if n > 0 && head[0] != frameMark {
		return nil, refusedHandOver(conn, head[:n])
	}
	files, err := descriptorsOf(oob[:oobn])
	defer func() { // listeners have duplicates of their own
		for i, f := range files {
			if err != nil || i < descriptors-1 {
				_ = f.Close()
			}
		}
	}()
	if err != nil {
		return nil, err
	}
	if n != frame || len(files) != descriptors {
		err = fmt.Errorf("%d bytes and %d sockets came", n, len(files))
		return nil, err
	}
	var got *taken
	got, err = assemble(conn, files, binary.BigEndian.Uint32(head[1:]))
	return got, err
}

func assemble(conn *net.UnixConn, files []*os.File, size uint32) (*taken, error) {
	if size > maxSnapshot {
		return nil, errors.New("the state is too large")
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(conn, data); err != nil {
		return nil, err
	}
	var s snapshot
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, err
	}
	if s.State == nil {
		return nil, errors.New("no state came")
	}
	if err := s.State.Validate(); err != nil {
		return nil, err
	}
	got := &taken{state: s.State, report: s.Report, sockets: &sockets{lock: files[3]}, link: &link{conn: conn, reader: bufio.NewReader(conn)}}
	for i, to := range []*net.Listener{&got.sockets.public, &got.sockets.control, &got.sockets.claim} {
		l, err := net.FileListener(files[i])
		if err != nil {
			return nil, err
		}
		*to = l
	}
	return got, nil
}

func descriptorsOf(oob []byte) ([]*os.File, error) {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range messages {
		rights, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			return files, err
		}
		for _, fd := range rights {
			syscall.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "handed over"))
		}
	}
	return files, nil
}

// refusedHandOver reads a refusal, which is an answer in HTTP.
func refusedHandOver(conn net.Conn, begun []byte) error {
	response, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader(string(begun)), conn)), nil)
	if err != nil {
		return errors.New("the answer is not understood")
	}
	defer func() { _ = response.Body.Close() }()
	return refusal(response)
}

// follow takes in the predecessor's reports until it ends.
func (p *Proxy) follow(l *link) {
	decoder := json.NewDecoder(l.reader)
	for {
		r := new(predecessor)
		if decoder.Decode(r) != nil {
			_ = l.conn.Close()
			p.bereave()
			return
		}
		p.inherit(r)
	}
}
