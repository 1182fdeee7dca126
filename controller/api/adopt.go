package api

import (
	"fmt"
	"net/http"
	"strings"

	"ovsmesh/topology"
)

// AdoptOffer answers GET /v1/adopt: what other stores have left on the hosts
// that are connected.
type AdoptOffer struct {
	Stores []AdoptStore `json:"stores"` // sorted by ID
	Unseen []string     `json:"unseen"` // hosts that are not connected or don't answer, sorted
}

// AdoptStore is what one store has left.
type AdoptStore struct {
	ID       string         `json:"id"` // UUID; "plugin" is CloudStack's ovstunnel plugin
	Networks []AdoptNetwork `json:"networks"`
	Hosts    []AdoptHost    `json:"hosts"`
	Away     []AdoptAway    `json:"away"`
	Problems []string       `json:"problems"` // what would be refused, but for a spec that settles it
	Left     []string       `json:"left"`     // what is left alone, and why
}

// AdoptNetwork is a network as its rows tell it.
type AdoptNetwork struct {
	Name    string         `json:"name"`
	Tenant  string         `json:"tenant"`
	Encap   topology.Encap `json:"encap"`
	Key     uint32         `json:"key"`
	Told    bool           `json:"told"` // all its options are told, not its key and tunnels alone
	Hosts   []string       `json:"hosts"`
	Bridges []string       `json:"bridges"`
	Tunnels int            `json:"tunnels"` // ports of its own
}

// AdoptHost is a connected host with rows of the store.
type AdoptHost struct {
	Host    string   `json:"host"`   // as it is called here
	Called  string   `json:"called"` // as the rows call it; "" where they don't
	ID      int      `json:"id"`     // that the rows tell; 0: none
	Bridges []string `json:"bridges"`
	Tunnels int      `json:"tunnels"`
}

// AdoptAway is a host that tunnels lead to and that is not connected.
type AdoptAway struct {
	Host     string   `json:"host"`
	ID       int      `json:"id"` // 0: not told
	Endpoint string   `json:"endpoint"`
	Networks []string `json:"networks"`
}

// AdoptRequest is the body of POST /v1/adopt.
type AdoptRequest struct {
	Name   string `json:"name,omitempty"`  // of a host or a network, or host/NAME or network/NAME
	All    bool   `json:"all,omitempty"`   // instead of Name
	Store  string `json:"store,omitempty"` // UUID, or "plugin"; may be left out where there is one only
	Files  []File `json:"files,omitempty"` // a spec: of what it names it has the last word
	DryRun bool   `json:"dryRun,omitempty"`
	Force  bool   `json:"force,omitempty"` // even where tunnels would go or change
}

// AdoptResult answers POST /v1/adopt.
type AdoptResult struct {
	Generation uint64          `json:"generation"` // as ApplyResult.Generation
	DryRun     bool            `json:"dryRun,omitempty"`
	Store      string          `json:"store"` // whose rows they were; "" where there was nothing to adopt
	Items      []topology.Item `json:"items"`
	Hosts      []AdoptedHost   `json:"hosts"`
	Warnings   []string        `json:"warnings"`
}

// AdoptedHost is what changes hands on a host.
type AdoptedHost struct {
	Host    string   `json:"host"`
	Bridges []string `json:"bridges"`
	Rows    int      `json:"rows"`            // marked anew, in one transaction; nothing else of them is changed
	Error   string   `json:"error,omitempty"` // why they were not
}

// AdoptError says why nothing is adopted.
type AdoptError struct {
	Problems []string
}

// Error returns the problems for people.
func (e *AdoptError) Error() string {
	return fmt.Sprintf("not adopted: %s", strings.Join(e.Problems, "; "))
}

func (e *AdoptError) body() Error {
	b := Error{Message: "nothing was adopted or changed"}
	for _, p := range e.Problems {
		b.Problems = append(b.Problems, Problem{Reason: p})
	}
	return b
}

func (s *Server) adoptable(r *http.Request) (any, error) { return s.backend.Adoptable(r.Context()) }

func (s *Server) adopt(r *http.Request) (any, error) {
	var req AdoptRequest
	if err := decodeBody(r, &req); err != nil {
		return nil, err
	}
	return s.backend.Adopt(r.Context(), req)
}

// adoptMeanings are what the description says of these types.
func adoptMeanings() map[string]string {
	return map[string]string{
		"AdoptOffer":        "What other stores have left.",
		"AdoptOffer.stores": "The stores whose rows hosts carry.",
		"AdoptOffer.unseen": "Hosts that are not connected or don't answer.",

		"AdoptStore":          "What one store has left.",
		"AdoptStore.away":     "Hosts that tunnels lead to and that are not connected.",
		"AdoptStore.hosts":    "Hosts with rows of it.",
		"AdoptStore.id":       "Its UUID.",
		"AdoptStore.left":     "What is left alone, and why.",
		"AdoptStore.networks": "Networks that the rows tell of.",
		"AdoptStore.problems": "What would be refused, but for a spec that settles it.",

		"AdoptNetwork":         "A network as rows tell it.",
		"AdoptNetwork.bridges": "Bridges that carry it.",
		"AdoptNetwork.encap":   "Its encapsulation.",
		"AdoptNetwork.hosts":   "Hosts that carry it.",
		"AdoptNetwork.key":     "Its tunnel key.",
		"AdoptNetwork.name":    "Its name.",
		"AdoptNetwork.tenant":  "Its tenant.",
		"AdoptNetwork.told":    "All its options are told; else a spec must name it.",
		"AdoptNetwork.tunnels": "Tunnel ports of its own.",

		"AdoptHost":         "A host with rows of the store.",
		"AdoptHost.bridges": "Bridges that the store has marked.",
		"AdoptHost.called":  "What the rows call it; empty where they don't.",
		"AdoptHost.host":    "What it is called here.",
		"AdoptHost.id":      "Its number in port names; 0 where it is not told.",
		"AdoptHost.tunnels": "Tunnel ports.",

		"AdoptAway":          "A host of which only its peers tell.",
		"AdoptAway.endpoint": "Where tunnels to it lead.",
		"AdoptAway.host":     "Its name.",
		"AdoptAway.id":       "Its number in port names; 0 where it is not told.",
		"AdoptAway.networks": "Networks that it is in.",

		"AdoptRequest":        "What to take over.",
		"AdoptRequest.all":    "All that the store has left; instead of name.",
		"AdoptRequest.dryRun": "Change nothing, only say what would change.",
		"AdoptRequest.files":  "A spec: of what it names it has the last word.",
		"AdoptRequest.force":  "Also where tunnels would go or change.",
		"AdoptRequest.name":   "A host or a network; host/NAME or network/NAME where there are both.",
		"AdoptRequest.store":  "UUID of the store; may be left out where there is one only.",

		"AdoptResult":            "What was taken over.",
		"AdoptResult.dryRun":     "Nothing has changed: this is what would.",
		"AdoptResult.generation": "Number of the state of the spec; /v1/sync says how far hosts have followed it.",
		"AdoptResult.hosts":      "What has changed hands, host by host.",
		"AdoptResult.items":      "What became of each object of the spec.",
		"AdoptResult.store":      "The store whose rows they were; empty where there was nothing to adopt.",
		"AdoptResult.warnings":   "What an operator should know.",

		"AdoptedHost":         "What has changed hands on a host.",
		"AdoptedHost.bridges": "The bridges.",
		"AdoptedHost.error":   "Why they have not; absent where they have.",
		"AdoptedHost.host":    "The host.",
		"AdoptedHost.rows":    "Rows that were marked anew; nothing else of them is changed.",
	}
}
