package cluster_test

import (
	"testing"

	"waybill/internal/cluster"
	"waybill/internal/cluster/clustertest"
)

func TestTemporalKeepsTheHighestMarkOfATenantsStore(t *testing.T) {
	c := clustertest.Start(t)
	for _, step := range []struct{ raise, want int64 }{{0, 0}, {3, 3}, {2, 3}, {3, 3}, {11, 11}} {
		if step.raise > 0 {
			if err := cluster.RaiseStoreMark(t.Context(), c, "acme", step.raise); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := cluster.StoreMark(t.Context(), c, "acme"); err != nil || n != step.want {
			t.Fatalf("after %d it is %d, %v, want %d", step.raise, n, err, step.want)
		}
	}
	if n, err := cluster.StoreMark(t.Context(), c, "bolt"); err != nil || n != 0 {
		t.Errorf("another tenant's is %d, %v", n, err)
	}
}
