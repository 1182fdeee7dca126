package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// The plugin's own logs.
const (
	xenServerLog = "/var/log/cloud/ovstunnel.log"
	kvmLog       = "/var/log/cloudstack/agent/ovstunnel.log"
)

// logFile returns where calls of a form are recorded; "" where nowhere.
func logFile(cfg *config, f form) string {
	switch {
	case cfg.LogFile == noLogFile:
		return ""
	case cfg.LogFile != "":
		return cfg.LogFile
	}
	file := kvmLog
	if _, is := f.(xapiForm); is {
		file = xenServerLog
	}
	if st, err := os.Stat(filepath.Dir(file)); err != nil || !st.IsDir() {
		return ""
	}
	return file
}

// record appends one line about a call to a file, as Python's logging begins
// them.
func record(file string, cfg *config, o outcome, started, ended time.Time) error {
	// A fifo that nobody reads must not hold the call up.
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NONBLOCK, 0o640)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line(cfg, o, started, ended))
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// line is what the log says of a call.
func line(cfg *config, o outcome, started, ended time.Time) string {
	text := "answered " + o.value
	if o.err != nil {
		text = "failed: " + o.err.Error()
	}
	if o.note != "" {
		text += "; but " + o.note
	}
	what := o.call.String()
	if what == "" {
		what = "a call that can't be read"
	}
	text = oneLine(cfg.hide(what + ": " + text))
	return fmt.Sprintf("%s - %s (%.3f s)\n", ended.Format("2006-01-02 15:04:05,000"), short(text), ended.Sub(started).Seconds())
}
