package main

import (
	"bytes"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// keyPress is what a key means while the topology is watched.
type keyPress int

const (
	keyNone keyPress = iota
	keyQuit
	keyUp
	keyDown
	keyPageUp
	keyPageDown
	keyHome
	keyEnd
	keyOnlyDown
	keyWide
)

// keyHelp is the last line of the screen.
const keyHelp = "q quit  ↑↓ PgUp PgDn scroll  d only what is not as wanted  w wide"

// nextKey takes the first key off what was typed, xterm's control sequences for
// the keys without a letter; rest is what follows it. A sequence that is not
// known is no key.
func nextKey(typed []byte) (key keyPress, rest []byte) {
	if typed[0] != 0x1b {
		return plainKey(typed[0]), typed[1:]
	}
	if len(typed) < 2 || typed[1] != '[' && typed[1] != 'O' {
		return keyNone, typed[1:]
	}
	end := 2
	for end < len(typed) && (typed[end] >= '0' && typed[end] <= '9' || typed[end] == ';') {
		end++
	}
	if end == len(typed) {
		return keyNone, nil
	}
	return sequenceKey(string(typed[2 : end+1])), typed[end+1:]
}

func plainKey(b byte) keyPress {
	switch b {
	case 'q', 'Q':
		return keyQuit
	case 'k':
		return keyUp
	case 'j', '\r', '\n':
		return keyDown
	case 'b':
		return keyPageUp
	case ' ', 'f':
		return keyPageDown
	case 'g':
		return keyHome
	case 'G':
		return keyEnd
	case 'd':
		return keyOnlyDown
	case 'w':
		return keyWide
	}
	return keyNone
}

func sequenceKey(s string) keyPress {
	switch s {
	case "A":
		return keyUp
	case "B":
		return keyDown
	case "5~":
		return keyPageUp
	case "6~":
		return keyPageDown
	case "H", "1~", "7~":
		return keyHome
	case "F", "4~", "8~":
		return keyEnd
	}
	return keyNone
}

// keyboard reads keys from a terminal. Its goroutine ends before close returns.
type keyboard struct {
	keys   chan keyPress
	closed chan struct{}
	wake   *os.File // closed to end the goroutine
	woken  *os.File
	ended  sync.WaitGroup
}

// openKeyboard reads from a terminal that hands on each key at once.
func openKeyboard(terminal int) (*keyboard, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("keyboard: %w", err)
	}
	k := &keyboard{keys: make(chan keyPress), closed: make(chan struct{}), wake: w, woken: r}
	k.ended.Go(func() { k.read(terminal) })
	return k, nil
}

func (k *keyboard) close() {
	close(k.closed)
	_ = k.wake.Close()
	k.ended.Wait()
	_ = k.woken.Close()
}

// read polls, since a read from a terminal can't be interrupted.
func (k *keyboard) read(terminal int) {
	var buf [256]byte
	woken := int(k.woken.Fd())
	for {
		fds := []unix.PollFd{{Fd: int32(terminal), Events: unix.POLLIN}, {Fd: int32(woken), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err == unix.EINTR {
			continue
		} else if err != nil || fds[1].Revents != 0 {
			return
		}
		n, err := unix.Read(terminal, buf[:])
		if err == unix.EINTR || err == unix.EAGAIN {
			continue
		}
		if err != nil || n <= 0 {
			return // it is gone
		}
		for typed := bytes.Clone(buf[:n]); len(typed) > 0; {
			var key keyPress
			if key, typed = nextKey(typed); key == keyNone {
				continue
			}
			select {
			case k.keys <- key:
			case <-k.closed:
				return
			}
		}
	}
}
