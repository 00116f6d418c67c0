package odoo

import (
	"context"
	"crypto/sha1" //nolint:gosec // it is Odoo's own checksum of attachments
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// filing is a document on the delivery: its attachment, and the checksum Odoo must have for it.
type filing struct {
	id       int64
	checksum string
}

func attachments(fs []filing) (ns []int64) {
	for _, f := range fs {
		ns = append(ns, f.id)
	}
	return ns
}

// links are the commands that link attachments to a delivery; linking one twice changes nothing.
func links(fs []filing) (commands []any) {
	for _, f := range fs {
		commands = append(commands, []any{4, f.id})
	}
	return commands
}

// verify compares what Odoo has with what was filed.
func verify(there []rec, filed []filing) error {
	sums := map[int64]string{}
	for _, a := range there {
		sums[a.id("id")] = a.str("checksum")
	}
	for _, f := range filed {
		if sums[f.id] != f.checksum {
			return rejectf("attachment %d in Odoo is not the document that came: it was changed there. Delete it, and retry: it is filed again", f.id)
		}
	}
	return nil
}

// fileProof attaches each document to the delivery, once by its hash.
func (s *Status) fileProof(ctx context.Context, q *protocol.ProofRequest) (filed []filing, err error) {
	if q == nil {
		return nil, nil
	}
	for _, d := range q.Documents {
		f, err := s.file(ctx, *q, d)
		if err != nil {
			return filed, err
		}
		filed = append(filed, f)
	}
	return filed, nil
}

func (s *Status) file(ctx context.Context, q protocol.ProofRequest, d freight.DocumentRef) (f filing, err error) {
	body, mediaType, signer, err := s.Documents.Document(ctx, d.SHA256)
	if errors.Is(err, fs.ErrNotExist) {
		return f, rejectf("the document %s is not in the store any more: bring it in again with waybill-admin proof, and retry", d.SHA256)
	}
	if err != nil {
		return f, protocol.Transient.Of(err)
	}
	var sh sheet
	sh.put("id", "waybill.pod_"+string(q.Shipment)+"_"+d.SHA256[:min(16, len(d.SHA256))])
	sh.put("name", proofName(q, d))
	at := placeOf(q.Picking, q.Order)
	sh.put("res_model", at.model)
	sh.put("res_id", at.id)
	sh.put("mimetype", mediaType)
	sh.put("datas", base64.StdEncoding.EncodeToString(body))
	if signer != "" {
		sh.put("description", "signed by "+signer)
	}
	sum := sha1.Sum(body) //nolint:gosec // see the import
	f.checksum = hex.EncodeToString(sum[:])
	f.id, err = load(ctx, s.Odoo, "ir.attachment", "file the proof", sh, nil)
	if status := (*statusError)(nil); errors.As(err, &status) && status.code == http.StatusRequestEntityTooLarge {
		return f, rejectf("the document %s has %d bytes, more than the proxy before Odoo takes: raise its limit (client_max_body_size), and retry", d.SHA256, len(body))
	}
	return f, err
}

func proofName(q protocol.ProofRequest, d freight.DocumentRef) string {
	ending := map[string]string{"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg", "image/tiff": ".tif"}[d.MediaType]
	return fmt.Sprintf("%s %s %s%s", strings.ToUpper(string(d.Kind)), q.Shipment, q.Delivered.UTC().Format(dateForm), ending)
}
