package config_test

import (
	"strings"
	"testing"

	"waybill/config"
)

func TestStoreIsAFileOrPostgreSQL(t *testing.T) {
	for url, ok := range map[string]bool{
		"sqlite:var/waybill.db": true, "postgres://waybill@db/waybill": true, "postgresql://waybill@db/waybill?sslmode=verify-full": true,
		"": false, "sqlite:": false, "postgres": false, "mysql://root:hunter2@db/waybill": false, "var/waybill.db": false,
	} {
		c, err := config.Load("example.yaml")
		if err != nil {
			t.Fatal(err)
		}
		c.Store.URL = url
		err = c.ForBridge()
		if (err == nil) != ok || err != nil && (!strings.Contains(err.Error(), "store.url") || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%q: %v", url, err)
		}
	}
}
