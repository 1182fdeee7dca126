package ovsdb

import (
	"encoding/json"
	"testing"
)

func TestOperation(t *testing.T) {
	zero, text, lock, yes := 0, "why", "l", true
	where := []Condition{{Column: "name", Function: "==", Value: "a"}}
	for _, c := range []struct {
		name string
		op   Operation
		want string // "" if refused
	}{
		{"nothing", Operation{}, ""},
		{"unknown", Operation{Op: "drop", Table: "Bridge"}, ""},
		{"no table", Operation{Op: "delete"}, ""},
		{"assert without lock", Operation{Op: "assert"}, ""},
		{"comment without text", Operation{Op: "comment"}, ""},

		{"insert empty", Operation{Op: "insert", Table: "T"}, `{"op":"insert","row":{},"table":"T"}`},
		{"insert named", Operation{Op: "insert", Table: "T", Row: Row{"a": UUID{GoUUID: "n"}}, UUIDName: "m"},
			`{"op":"insert","row":{"a":["named-uuid","n"]},"table":"T","uuid-name":"m"}`},
		{"select all", Operation{Op: "select", Table: "T"}, `{"op":"select","table":"T","where":[]}`},
		{"delete all", Operation{Op: "delete", Table: "T"}, `{"op":"delete","table":"T","where":[]}`},
		{"delete one", Operation{Op: "delete", Table: "T", Where: where}, `{"op":"delete","table":"T","where":[["name","==","a"]]}`},
		{"mutate all", Operation{Op: "mutate", Table: "T", Mutations: []Mutation{{Column: "c", Mutator: "+=", Value: 1}}},
			`{"mutations":[["c","+=",1]],"op":"mutate","table":"T","where":[]}`},
		{"mutate nothing", Operation{Op: "mutate", Table: "T"}, `{"mutations":[],"op":"mutate","table":"T","where":[]}`},
		{"update empty set", Operation{Op: "update", Table: "T", Row: Row{"a": OvsSet{}, "b": OvsMap{}}},
			`{"op":"update","row":{"a":["set",[]],"b":["map",[]]},"table":"T","where":[]}`},
		{"wait for none", Operation{Op: "wait", Table: "T", Timeout: &zero, Until: "==", Columns: []string{"a"}, Where: where},
			`{"columns":["a"],"op":"wait","rows":[],"table":"T","timeout":0,"until":"==","where":[["name","==","a"]]}`},
		{"wait for ever", Operation{Op: "wait", Table: "T", Until: "!=", Rows: []Row{{"a": 1}}},
			`{"columns":[],"op":"wait","rows":[{"a":1}],"table":"T","until":"!=","where":[]}`},
		{"comment", Operation{Op: "comment", Comment: &text}, `{"comment":"why","op":"comment"}`},
		{"assert", Operation{Op: "assert", Lock: &lock}, `{"lock":"l","op":"assert"}`},
		{"commit", Operation{Op: "commit", Durable: &yes}, `{"durable":true,"op":"commit"}`},
		{"abort", Operation{Op: "abort"}, `{"op":"abort"}`},
	} {
		m, err := operation(c.op)
		if err != nil {
			if c.want != "" {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if got, err := json.Marshal(m); err != nil || string(got) != c.want {
			t.Errorf("%s:\n got %s (%v)\nwant %s", c.name, got, err, c.want)
		}
	}
}

func TestParseMethod(t *testing.T) {
	for method, want := range map[string]string{
		"": "", "tcp:127.0.0.1:6640": "", "ptcp": "", "ptcp:": "", "ptcp:x": "", "ptcp:65536": "", "ptcp:-1": "", "ptcp:+1": "",
		"ptcp:6640:": "", "ptcp:6640:host": "", "ptcp:6640:1.2.3": "", "pssl:6640": "", "punix:/x": "", "6640": "",
		"ptcp:6640": ":6640", "ptcp:0:127.0.0.1": "127.0.0.1:0", "ptcp:6640:10.0.0.1": "10.0.0.1:6640",
		"ptcp:6640:[::1]": "[::1]:6640", "ptcp:6640:::1": "[::1]:6640",
	} {
		got, err := ParseMethod(method)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v; want %q", method, got, err, want)
		}
	}
}
