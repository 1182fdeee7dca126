package faults

import "testing"

func TestFlat(t *testing.T) {
	steady := Vital{Run: 1, Goroutines: 50, Files: 20, Live: 10 << 20, Resident: 60 << 20}
	with := func(change func(*Vital)) Vital {
		v := steady
		change(&v)
		return v
	}
	busy := with(func(v *Vital) { v.Goroutines = 500 })
	other := Vital{Run: 2, Goroutines: 200, Files: 90, Live: 80 << 20, Resident: 300 << 20}
	tests := []struct {
		name     string
		readings []Vital
		grows    bool
	}{
		{"nothing", nil, false},
		{"one reading", []Vital{steady}, false},
		{"the same", []Vital{steady, steady, steady, steady}, false},
		{"busy for a moment", []Vital{steady, steady, busy, steady}, false},
		{"busy in the end", []Vital{steady, busy, busy, busy}, true},
		{"another process", []Vital{steady, steady, other, other, other}, false},
		{"the other process", []Vital{steady, other, other, other, with(func(v *Vital) { *v = other; v.Goroutines += 13 })}, false},
		{"goroutines", []Vital{steady, with(func(v *Vital) { v.Goroutines += moreGoroutines + 1 })}, true},
		{"files", []Vital{steady, with(func(v *Vital) { v.Files += moreFiles + 1 })}, true},
		{"heap", []Vital{steady, with(func(v *Vital) { v.Live += moreLive + 1 })}, true},
		{"memory", []Vital{steady, with(func(v *Vital) { v.Resident += moreResident + 1 })}, true},
		{"within bounds", []Vital{steady, with(func(v *Vital) { v.Goroutines += moreGoroutines })}, false},
	}
	for _, tt := range tests {
		if err := flat(tt.readings); (err != nil) != tt.grows {
			t.Errorf("%s: %v, want growth %v", tt.name, err, tt.grows)
		}
	}
}
