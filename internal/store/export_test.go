package store

import "context"

// Setting reads one value on the connection that writes.
func (s *Store) Setting(ctx context.Context, query string) (v string, err error) {
	return v, s.write.QueryRowContext(ctx, query).Scan(&v)
}
