package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load asks as fast as it is answered over kept connections, and returns the
// number of answers. An answer that is not 200 is an error.
func load(addr string, connections int, length time.Duration) (int64, error) {
	var answers atomic.Int64
	var first atomic.Pointer[error]
	var done sync.WaitGroup
	end := time.Now().Add(length)
	for range connections {
		done.Go(func() {
			n, err := ask(addr, end)
			answers.Add(n)
			if err != nil {
				first.CompareAndSwap(nil, &err)
			}
		})
	}
	done.Wait()
	if err := first.Load(); err != nil {
		return answers.Load(), *err
	}
	return answers.Load(), nil
}

func ask(addr string, end time.Time) (int64, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	request := []byte("GET /catalogue?page=2 HTTP/1.1\r\nHost: " + addr + "\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
	reader := bufio.NewReader(conn)
	var n int64
	for time.Now().Before(end) {
		if _, err := conn.Write(request); err != nil {
			return n, err
		}
		if err := readAnswer(reader); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// readAnswer reads one answer that has a Content-Length.
func readAnswer(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answer %q", line)
	}
	length := -1
	for len(line) > 2 {
		if line, err = r.ReadSlice('\n'); err != nil {
			return err
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("an answer without a length")
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return err
}
