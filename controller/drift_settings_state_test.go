package controller

import (
	"slices"
	"testing"
	"time"

	"ovsmesh/ovsdb/plan"
)

// settingOff is a setting that somebody has changed.
func settingOff(name string) plan.Setting {
	return plan.Setting{Bridge: "xapi1", Name: name, Want: "right", Got: "wrong"}
}

// Somebody who changes a setting again as soon as it is put right: it is put right
// so often at once, then ever less often, and everybody is told once.
func TestContests(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	second := func(list ...int) (out []time.Duration) {
		for _, s := range list {
			out = append(out, time.Duration(s)*time.Second)
		}
		return out
	}
	for name, want := range map[string][]time.Duration{ // since the start, when it is put right
		"fail_mode":                    second(0, 0, 0, 0, 0, 1, 3, 6, 9, 12),
		"controller":                   second(0, 0, 0, 0, 0, 1, 3, 6, 9, 12),
		"other_config:disable-in-band": second(0, 0, 0, 0, 0, 1, 3, 6, 9, 12),
		"protocols":                    second(0, 0, 0, 0, 0, 1, 3, 7, 15, 31, 63, 123, 183),
	} {
		s := contests{}
		var got []time.Duration
		opened := 0
		for now := start; len(got) < len(want); {
			f := settingOff(name)
			if s.found(f, now) != nil {
				opened++
				if len(got) != fightLimit {
					t.Errorf("%s: told after it was put right %d times", name, len(got))
				}
			}
			if s.leaves(name, now) {
				if list := s.left(now); !slices.Equal(list, []string{name}) {
					t.Errorf("%s: left %q", name, list)
				}
				wait := s.wait(now)
				if wait <= 0 || wait > rest(name) {
					t.Fatalf("%s: wait %v", name, wait)
				}
				now = now.Add(wait)
				continue
			}
			s.mended(f, now)
			got = append(got, now.Sub(start))
		}
		if !slices.Equal(got, want) || opened != 1 {
			t.Errorf("%s: put right at %v, not %v; told %d times", name, got, want, opened)
		}
	}
}

// What somebody changes seldom is nobody's fight; what he changes six times in a
// minute is one, though it never has to wait.
func TestContestsOfTheSlow(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for every, want := range map[time.Duration]int{20 * time.Second: 0, 11 * time.Second: 1} {
		s, f, told := contests{}, settingOff("fail_mode"), 0
		for i := range 12 {
			now := start.Add(time.Duration(i) * every)
			if s.found(f, now) != nil {
				told++
			}
			if s.leaves(f.Name, now) {
				t.Errorf("every %v: not put right at once", every)
			}
			s.mended(f, now)
		}
		if told != want {
			t.Errorf("every %v: told %d times, not %d", every, told, want)
		}
	}
}

// Who changes what he wants, as a controller that its hosts dial at one address
// and then at another, fights with nobody.
func TestContestsOfOurOwn(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := contests{}
	for i := range 20 {
		f := plan.Setting{Bridge: "xapi1", Name: "controller", Want: "here", Got: "there"}
		if i%2 == 1 {
			f.Want, f.Got = f.Got, f.Want
		}
		if s.found(f, now) != nil || s.leaves(f.Name, now) {
			t.Fatalf("change %d is taken for somebody else's", i+1)
		}
		s.mended(f, now)
		now = now.Add(time.Second)
	}
}

// A fight is over when the setting was right for a minute, not before, and an end
// is told of those only that were told of.
func TestContestsEnd(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, f := contests{}, settingOff("fail_mode")
	s.mended(settingOff("stp_enable"), start)
	for range fightLimit {
		s.mended(f, start)
	}
	if s.found(f, start) == nil || !s.insists(f.Name, start) || s.insists("stp_enable", start) {
		t.Fatalf("no fight: %+v", s[f.Name])
	}
	if ended := s.over(start.Add(time.Hour)); len(ended) != 0 || s["stp_enable"] != nil {
		t.Errorf("over while it is wrong: %v", ended)
	}
	s.mended(f, start.Add(time.Hour))
	if n := s[f.Name].rounds; n != 1 {
		t.Errorf("put right %d times in the fight", n)
	}
	if wait := s.wait(start.Add(time.Hour)); wait < fightWindow || wait > fightWindow+time.Second {
		t.Errorf("looked at again in %v", wait)
	}
	for after, want := range map[time.Duration]int{0: 0, fightWindow: 0} {
		if ended := s.over(start.Add(time.Hour + after)); len(ended) != want {
			t.Errorf("over after %v: %v", after, ended)
		}
	}
	if ended := s.over(start.Add(time.Hour + fightWindow + time.Second)); ended[f.Name] == nil || len(s) != 0 {
		t.Errorf("not over: %v, %v", ended, s)
	}
}

// An operator who has ended the fight has all put right at once; and of settings
// without end, as VMs' ports are, only so many are counted.
func TestContestsForgiven(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, f := contests{}, settingOff("fail_mode")
	if s.forgive(start) {
		t.Error("there was nothing to forgive")
	}
	for range fightLimit {
		s.mended(f, start)
	}
	if !s.leaves(f.Name, start) || !s.forgive(start) || s.leaves(f.Name, start) || s.found(f, start) != nil {
		t.Errorf("not forgiven: %+v", s[f.Name])
	}
	for i := range 2 * maxContested {
		s.mended(settingOff(string(rune(i+1000))), start)
	}
	if len(s) > maxContested {
		t.Errorf("%d settings are counted", len(s))
	}
}
