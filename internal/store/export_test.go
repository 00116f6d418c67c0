package store

import "context"

// Setting reads one value on the connection that writes.
func (s *Store) Setting(ctx context.Context, query string) (v string, err error) {
	return v, s.write.QueryRowContext(ctx, query).Scan(&v)
}

// Crowd is how many groups are being committed, and how many deliveries wait for the next.
func (s *Store) Crowd() (leading, waiting int) {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	return len(s.inbox.slots), len(s.inbox.waiting)
}

// Occupy keeps everyone from leading a group until it is called off.
func (s *Store) Occupy() (release func()) {
	for range cap(s.inbox.slots) {
		s.inbox.slots <- struct{}{}
	}
	return func() {
		for range cap(s.inbox.slots) {
			<-s.inbox.slots
		}
	}
}
