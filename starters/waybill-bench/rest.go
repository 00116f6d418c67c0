package main

import "context"

func (b *bench) odoo(ctx context.Context) error   { return nil }
func (b *bench) memory(ctx context.Context) error { return nil }
func (b *bench) scale(ctx context.Context) error  { return nil }
