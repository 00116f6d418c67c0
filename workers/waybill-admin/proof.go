package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"waybill/internal/console"
	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

// byHand is whose event a document is that a person brings in.
const byHand = connectors.ByHand

// proof is a proof of delivery that a person has.
type proof struct {
	Shipment freight.ShipmentID `json:"shipment"`
	SHA256   string             `json:"sha256"`
	Signer   string             `json:"signer,omitzero"`
	By       string             `json:"by"`
	Reason   string             `json:"reason"`
	Repeat   bool               `json:"repeat"` // it was brought in before
}

func (a *app) proof() *cobra.Command {
	var p proof
	c := &cobra.Command{
		Use: "proof SHIPMENT FILE", Short: "Bring in a proof of delivery that came by mail or on paper", Args: cobra.ExactArgs(2),
		Long: "Bring in a proof of delivery that came by mail or on paper: a PDF, or a picture. It goes the way of a partner's event, is filed in Odoo, and the shipment " +
			"goes on where the document is good enough for the customer. Who brought it in, and why, is kept with it: waybill-admin inbox list --source " + byHand + ".",
		RunE: a.withStore(func(ctx context.Context, s *store.Store, args []string) (err error) {
			if p.Shipment, err = console.Shipment(args[0]); err != nil {
				return err
			}
			if err := freight.CheckPerson(p.By, p.Reason); err != nil {
				return console.Usage(err)
			}
			body, err := os.ReadFile(args[1])
			if err != nil {
				return err
			}
			if p.Repeat, p.SHA256, err = file(ctx, s, p, body, time.Now()); err != nil {
				return err
			}
			return a.Show(p, func() {
				a.Print("proof of %s: %s%s; it is with the shipment within seconds: waybill status %[1]s", p.Shipment, p.SHA256, map[bool]string{true: ", which was brought in before"}[p.Repeat])
			})
		}),
	}
	c.Flags().StringVar(&p.Signer, "signer", "", "who signed it; a customer that wants a signature takes no document without")
	c.Flags().StringVar(&p.By, "by", cmp.Or(os.Getenv("SUDO_USER"), os.Getenv("USER")), "who brings it in: kept for auditors")
	c.Flags().StringVar(&p.Reason, "reason", "", "how it came: kept for auditors")
	_ = c.MarkFlagRequired("reason") // the flag is there
	return c
}

// file puts a document into the inbox as an event; the same again is a repeat.
func file(ctx context.Context, s *store.Store, p proof, body []byte, now time.Time) (repeat bool, hash string, err error) {
	media, ok := connectors.EvidenceType(body)
	if !ok {
		return false, "", console.Usagef("the file is of type %s: want PDF, PNG, JPEG, GIF or TIFF", media)
	}
	if _, known, err := s.View(ctx, p.Shipment); err != nil || !known {
		return false, "", cmp.Or(err, fmt.Errorf("there is no shipment %s in the store: see waybill list --all", p.Shipment))
	}
	sum := sha256.Sum256(body)
	hash = hex.EncodeToString(sum[:])
	id := idOf(p, hash)
	event, err := proofEvent(p, id, media, body, now)
	if err != nil {
		return false, "", err
	}
	d := store.Delivery{Source: byHand, ID: id, Body: event, VerifiedBy: p.By, ReceivedAt: now,
		Headers: map[string]string{"content-type": "application/cloudevents+json", "by": p.By, "reason": p.Reason}}
	if _, err := connectors.Read(connectors.Canonical{}, d); err != nil {
		return false, "", err
	}
	repeat, err = s.Accept(ctx, d)
	if errors.Is(err, store.ErrConflict) {
		return true, hash, nil // it differs in when it was brought in, or by whom
	}
	return repeat, hash, err
}

// idOf is the same for the same document with the same signer: one that was brought in without may come again with.
func idOf(p proof, hash string) string {
	sum := sha256.Sum256([]byte(hash + "|" + p.Signer))
	return string(p.Shipment) + "-" + hex.EncodeToString(sum[:16])
}

func proofEvent(p proof, id, media string, body []byte, now time.Time) ([]byte, error) {
	data, err := json.Marshal(connectors.Milestone{Milestone: freight.DocumentReceived, Classifier: freight.Actual, OccurredAt: now,
		Documents: []connectors.Document{{Kind: freight.DocumentPOD, MediaType: media, Content: base64.StdEncoding.EncodeToString(body), Signer: p.Signer}}})
	if err != nil {
		return nil, err
	}
	return json.Marshal(connectors.Event{SpecVersion: "1.0", ID: id, Source: "urn:waybill:" + byHand, Type: connectors.MilestoneType, Subject: "shipment/" + string(p.Shipment), Time: now, Data: data})
}
