package finance

import (
	"context"
	"net/http"

	"waybill/internal/partner"
)

// Check proves that the platform answers and takes the token. It changes nothing.
func (f *Platform) Check(ctx context.Context) error {
	err := f.Client.Do(ctx, partner.Call{Method: http.MethodGet, Path: "/v1/postings/waybill.check"}, nil)
	if p := partner.ProblemOf(err); p != nil && p.Code == "unknown" {
		return nil
	}
	return err
}
