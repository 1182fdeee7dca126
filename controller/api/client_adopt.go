package api

import (
	"context"
	"net/http"
)

// Adoptable returns what other stores have left on hosts; GET /v1/adopt.
func (c *Client) Adoptable(ctx context.Context) (AdoptOffer, error) {
	var out AdoptOffer
	return out, c.do(ctx, http.MethodGet, "/v1/adopt", nil, nil, &out)
}

// Adopt makes rows of another store this store's own; POST /v1/adopt.
func (c *Client) Adopt(ctx context.Context, req AdoptRequest) (AdoptResult, error) {
	var out AdoptResult
	return out, c.do(ctx, http.MethodPost, "/v1/adopt", nil, req, &out)
}
