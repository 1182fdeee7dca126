package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"ovsmesh/topology"
)

// operation is what the description says of a route.
type operation struct {
	id, summary string
	need        string // the parameter of the query that can't be left out
	header      string // a header of the request that it looks at
	body        any    // zero value of the request's JSON; nil for none
	spec        any    // zero value of what the request may be instead, as YAML
	media       string // type of the answer; "" is JSON
	answer      any    // zero value of the answer
	trouble     []int  // status codes other than 200, 401 and 403
}

const (
	jsonType  = "application/json"
	yamlType  = "application/yaml"
	plainText = "text/plain"
)

// The parts of an OpenAPI 3.1 document that we use.
type (
	document struct {
		OpenAPI    string                         `json:"openapi"`
		Info       info                           `json:"info"`
		Security   []map[string][]string          `json:"security"`
		Paths      map[string]map[string]pathItem `json:"paths"` // by path, by method in lower case
		Components components                     `json:"components"`
	}
	info struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description"`
	}
	pathItem struct {
		OperationID string                 `json:"operationId"`
		Summary     string                 `json:"summary"`
		Security    *[]map[string][]string `json:"security,omitempty"`
		Parameters  []parameter            `json:"parameters,omitempty"`
		RequestBody *requestBody           `json:"requestBody,omitempty"`
		Responses   map[string]response    `json:"responses"` // by status code
	}
	parameter struct {
		Name        string  `json:"name"`
		In          string  `json:"in"` // path, query, header
		Description string  `json:"description"`
		Required    bool    `json:"required,omitempty"`
		Schema      *schema `json:"schema"`
	}
	requestBody struct {
		Description string           `json:"description"`
		Required    bool             `json:"required"`
		Content     map[string]media `json:"content"` // by media type
	}
	response struct {
		Description string           `json:"description"`
		Content     map[string]media `json:"content"`
	}
	media struct {
		Schema *schema `json:"schema"`
	}
	components struct {
		Schemas         map[string]*schema        `json:"schemas"`
		SecuritySchemes map[string]securityScheme `json:"securitySchemes"`
	}
	securityScheme struct {
		Type        string `json:"type"`
		Scheme      string `json:"scheme"`
		Description string `json:"description"`
	}
)

// Description returns the OpenAPI description of a server of that version, as
// it is served at /openapi.json.
func Description(version string) []byte { return encode(describe((&Server{}).table(), version)) }

// describe serves the description.
func (s *Server) describe(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, Description(s.backend.Version().Version))
}

// describe makes the description of a table of routes: the paths from the
// table, the shapes from the Go types that are encoded and decoded.
func describe(table []route, version string) *document {
	types := &shapes{schemas: map[string]*schema{}, meanings: meanings()}
	d := &document{
		OpenAPI: "3.1.0",
		Info: info{
			Title: "ovsmesh", Version: version,
			Description: "Tenant networks as meshes of GRE and VXLAN tunnels on Open vSwitch.",
		},
		Security: []map[string][]string{{"token": {}}, {}},
		Paths:    map[string]map[string]pathItem{},
		Components: components{SecuritySchemes: map[string]securityScheme{
			"token": {Type: "http", Scheme: "bearer", Description: "The token of the server's api.tokenFile, where it has one; for /v1/ovstunnel also a host's own of api.hostTokensFile."},
		}},
	}
	for _, r := range table {
		if d.Paths[r.path] == nil {
			d.Paths[r.path] = map[string]pathItem{}
		}
		d.Paths[r.path][strings.ToLower(r.method)] = types.item(r)
	}
	d.Components.Schemas = types.schemas
	return d
}

func (t *shapes) item(r route) pathItem {
	item := pathItem{OperationID: r.about.id, Summary: r.about.summary, Responses: map[string]response{}}
	for _, name := range pathParameters(r.path) {
		item.Parameters = append(item.Parameters, describeParameter(name, "path", true))
	}
	for _, name := range strings.Fields(r.query) {
		item.Parameters = append(item.Parameters, describeParameter(name, "query", name == r.about.need))
	}
	if r.about.header != "" {
		item.Parameters = append(item.Parameters, describeParameter(r.about.header, "header", false))
	}
	if r.about.body != nil {
		item.RequestBody = &requestBody{Description: "A request in JSON.", Required: true, Content: map[string]media{jsonType: {t.of(r.about.body)}}}
	}
	if r.about.spec != nil {
		item.RequestBody = &requestBody{
			Description: "A request in JSON; or the text of a spec itself, YAML or JSON, of any number of documents, under any other media type, with prune and dryRun in the query.",
			Required:    true,
			Content: map[string]media{
				jsonType: {t.of(r.about.body)},
				yamlType: {t.of(r.about.spec)},
			},
		}
	}
	kind := jsonType
	if r.about.media != "" {
		kind = r.about.media
	}
	item.Responses["200"] = response{answerMeaning(kind), map[string]media{kind: {t.of(r.about.answer)}}}
	trouble := r.about.trouble
	if r.open {
		item.Security = &[]map[string][]string{} // none
	} else {
		trouble = append([]int{http.StatusUnauthorized, http.StatusForbidden}, trouble...)
	}
	for _, code := range trouble {
		says := response{statusMeaning(code), map[string]media{jsonType: {t.of(Error{})}}}
		if kind == plainText && code == http.StatusServiceUnavailable {
			says.Content = map[string]media{plainText: {t.of("")}}
		}
		item.Responses[strconv.Itoa(code)] = says
	}
	return item
}

// pathParameters returns the names in braces in a path.
func pathParameters(path string) []string {
	var names []string
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

func describeParameter(name, in string, required bool) parameter {
	p := parameter{Name: name, In: in, Required: required, Schema: &schema{Type: "string"}}
	switch name {
	case "kind":
		p.Description = "Which kind of object."
		p.Schema.Enum = []string{KindNetworks, KindHosts, KindPorts, KindKeyPools}
	case "name":
		p.Description = "The object's name; of a key pool the encapsulation and the range, like gre-100-110."
	case "network":
		p.Description = "Only this network."
	case "host":
		p.Description = "Only what concerns this host."
	case "tenant":
		p.Description = "Only the networks of this tenant."
	case "down":
		p.Description = "Only tunnel ends that are not up, and networks and hosts with which something is not as it should be."
		p.Schema = &schema{Type: "boolean"}
	case "limit":
		p.Description = "List at most so many tunnel ends, over all networks; they are counted all the same. Left out: all."
		p.Schema = &schema{Type: "integer", Minimum: new(int64)}
	case "offset":
		p.Description = "Leave out the first so many tunnel ends."
		p.Schema = &schema{Type: "integer", Minimum: new(int64)}
	case "counters":
		p.Description = "Ask the hosts for the counters of the tunnel ends that are listed."
		p.Schema = &schema{Type: "boolean"}
	case "generation":
		p.Description = "The number that apply or delete has returned."
		p.Schema = &schema{Type: "integer", Minimum: new(int64)}
	case "prune":
		p.Description = "Also delete what the spec does not list. For a spec that is the body itself."
		p.Schema = &schema{Type: "boolean"}
	case "dryRun":
		p.Description = "Change nothing, only say what would change. For a spec that is the body itself."
		p.Schema = &schema{Type: "boolean"}
	case "foreign":
		p.Description = "List other programs' flows too."
		p.Schema = &schema{Type: "boolean"}
	case "bridge":
		p.Description = "The bridge's name on that host."
	case "view":
		p.Description = "want: what ovsmesh wants there; got: what the switch holds; diff: where these differ. Left out: got."
		p.Schema.Enum = []string{ViewWant, ViewGot, ViewDiff}
	case "since":
		p.Description = "Only what was noticed at this time or later, RFC 3339."
		p.Schema = &schema{Type: "string"}
	case "hosts":
		p.Description = "Only these hosts: their names, separated by commas."
	case "details":
		p.Description = "With every row that is to change, and each of its columns."
		p.Schema = &schema{Type: "boolean"}
	case "flows":
		p.Description = "With every flow that is to go in or out."
		p.Schema = &schema{Type: "boolean"}
	case "rows":
		p.Description = "With what is on each connected host's bridges."
		p.Schema = &schema{Type: "boolean"}
	case "Last-Event-ID":
		p.Description = "Number of the last event that the reader has got: the stream goes on from there, or begins with a reset where events since then are lost."
		p.Schema = &schema{Type: "integer", Minimum: pointer(int64(1))}
	}
	return p
}

func pointer[T any](v T) *T { return &v }

func answerMeaning(kind string) string {
	if kind == eventStream {
		return "A stream that ends with the server. The kind of an event is its name, its data in JSON is what is described here; " +
			"between events come comments, and numbers (id) without data."
	}
	return "As wanted."
}

func statusMeaning(code int) string {
	switch code {
	case http.StatusBadRequest:
		return "The request makes no sense, or its spec is refused; nothing has changed."
	case http.StatusUnauthorized:
		return "The token is missing or wrong."
	case http.StatusForbidden:
		return "The token is a host's, which is good for that host's own calls of the ovstunnel plugin only."
	case http.StatusNotImplemented:
		return "It is understood, and kept where it is a document, but can't be carried out by this version."
	case http.StatusNotFound:
		return "There is no such object."
	case http.StatusRequestTimeout:
		return "The body did not come in time."
	case http.StatusConflict:
		return "Others depend on the object, or the spec changed meanwhile; nothing has changed."
	case http.StatusRequestEntityTooLarge:
		return "The body is too large."
	case http.StatusInsufficientStorage:
		return "The store can't be written, and nothing has changed; hosts are served all the same. The text says what to do."
	case http.StatusServiceUnavailable:
		return "Not now; come again later."
	}
	return http.StatusText(code) + "."
}

// words returns the values that a field has a choice of; nil for one that takes
// any text.
func words(field string) []string {
	switch field {
	case "Tunnel.state":
		return []string{TunnelUp, TunnelPending, TunnelDown, TunnelUnreachable}
	case "TraceOutput.kind":
		return []string{TraceDelivered, TraceAnswer, TracePassed, TraceHost, TraceOutside, TraceController, TraceExternal, TraceLost, TraceUnlooked}
	case "TraceReport.tables":
		return []string{TraceGot, TraceWant, TraceDump}
	case "Event.kind":
		return []string{EventHost, EventBridge, EventMember, EventTunnel, EventSync, EventChange, EventProblem, EventDrift, EventHealth, EventReset}
	case "Event.state", "Event.was":
		return slices.Concat([]string{TunnelUp, TunnelPending, TunnelDown, TunnelUnreachable},
			[]string{EventConnected, EventDisconnected, EventReleased, EventJoined, EventLeft, EventRemoved},
			[]string{EventInSync, EventSyncing, EventAppeared, EventGone, EventRepaired, EventLeftAlone, EventContested, EventSettled},
			[]string{HealthOK, HealthStuck})
	case "TopologyHost.health", "HostStatus.health":
		return []string{HealthOK, HealthSlow, HealthStuck, HealthUnreachable, ""}
	case "TopologyBridge.watched":
		return []string{WatchedPush, WatchedPoll}
	case "HistoryEntry.by":
		return []string{ByPush, BySweep, ByDatabase}
	case "PlanBridge.verb", "PlanRow.verb":
		return []string{PlanMake, PlanTake, PlanChange, PlanRelease, PlanDelete, PlanNothing}
	case "FlowList.view":
		return []string{ViewWant, ViewGot, ViewDiff}
	case "FlowEntry.sign":
		return []string{"-", "+"}
	case "Item.kind":
		return []string{KindNetworks, KindHosts, KindPorts, KindKeyPools}
	case "Item.verb":
		return []string{topology.VerbCreated, topology.VerbUpdated, topology.VerbUnchanged, topology.VerbDeleted}
	case "Network.profile", "TopologyNetwork.profile":
		return []string{topology.ProfileProgrammed, topology.ProfileLearning}
	case "Network.broadcast", "TopologyNetwork.broadcast":
		return []string{topology.BroadcastSplitHorizon, topology.BroadcastDrop}
	case "Network.unknownUnicast", "TopologyNetwork.unknownUnicast":
		return []string{topology.UnknownUnicastFlood, topology.UnknownUnicastDrop}
	case "Network.tunnelPorts", "TopologyNetwork.tunnelPorts":
		return []string{topology.TunnelPortsPerNetwork, topology.TunnelPortsShared, topology.TunnelPortsFlow}
	case "Host.kind", "TopologyHost.kind":
		return []string{topology.KindManaged, topology.KindExternal}
	}
	return nil
}
