package freight

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// DisputeID is the shipment and a number within it: "acme-1042/1".
type DisputeID string

// DisputeIDOf makes the id of a shipment's nth dispute, from 1.
func DisputeIDOf(s ShipmentID, n int) DisputeID { return DisputeID(fmt.Sprintf("%s/%d", s, n)) }

// Proposal is what an approver is asked to decide, whole. A decision names its Hash, so one changed cent
// makes the decision void.
type Proposal struct {
	Dispute   DisputeID  `json:"dispute"`
	Shipment  ShipmentID `json:"shipment"`
	Rule      RuleID     `json:"rule"`
	ChargeRef string     `json:"chargeRef"`
	Code      ChargeCode `json:"code"`
	Claimed   Money      `json:"claimed"`  // what the carrier charges
	Expected  Money      `json:"expected"` // what the contract has
	Reason    string     `json:"reason"`
	Evidence  []string   `json:"evidence,omitempty"`
}

// Decides reports whether a ruling on p is a ruling on v: one cent more, and it is about something else.
func (p Proposal) Decides(v Finding) bool {
	return p.Rule == v.Rule && p.ChargeRef == v.ChargeRef && p.Claimed.Equal(v.Actual) && p.Expected.Equal(v.Expected)
}

// Hash is the SHA-256 of the proposal's JSON, lower-case hex.
func (p Proposal) Hash() string { return hashOf(p) }

func hashOf(v any) string {
	b, err := json.Marshal(v) //workflowcheck:ignore of one struct always the same
	if err != nil {
		panic(fmt.Sprintf("freight: hash of %T: %v", v, err)) // only plain structs are hashed
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// DisputeVerdict is an approver's answer.
type DisputeVerdict string

// The verdicts.
const (
	Approve DisputeVerdict = "approve" // the charge stands, at Decision.Amount
	Reject  DisputeVerdict = "reject"  // the contract amount stands
)

// Decision is the document an approver signs. All of it is under the signature.
type Decision struct {
	Dispute      DisputeID      `json:"dispute"`
	Shipment     ShipmentID     `json:"shipment"`
	ProposalHash string         `json:"proposalHash"`
	Verdict      DisputeVerdict `json:"verdict"`
	Amount       Money          `json:"amount"` // approve: what stands, from the contract amount to the claim; reject: the contract amount
	Reason       string         `json:"reason"` // 1 to 500 characters; kept for auditors
	Approver     string         `json:"approver"`
	Nonce        string         `json:"nonce"`     // 16 random bytes, base64url: a decision is used once
	ExpiresAt    time.Time      `json:"expiresAt"` // at most 15 minutes after signing
}

// CheckAgainst says why d cannot decide p; nil if it can. Who signed it, and with what right, is for the
// activity that verifies the signature.
func (d Decision) CheckAgainst(p Proposal, now time.Time) error {
	switch {
	case d.Dispute != p.Dispute || d.Shipment != p.Shipment:
		return fmt.Errorf("decision is for dispute %s, not %s", d.Dispute, p.Dispute)
	case d.ProposalHash != p.Hash():
		return fmt.Errorf("the proposal has changed since it was signed: show the dispute again and decide anew")
	case now.After(d.ExpiresAt):
		return fmt.Errorf("decision expired at %s: sign it again", d.ExpiresAt.UTC().Format(time.RFC3339))
	case d.Reason == "":
		return fmt.Errorf("decision has no reason: auditors need one")
	}
	return d.checkAmount(p)
}

func (d Decision) checkAmount(p Proposal) error {
	switch d.Verdict {
	case Reject:
		if !d.Amount.Equal(p.Expected) {
			return fmt.Errorf("a rejection settles at the contract amount %s, not %s", p.Expected, d.Amount)
		}
		return nil
	case Approve:
		low, err1 := d.Amount.Cmp(p.Expected)
		high, err2 := d.Amount.Cmp(p.Claimed)
		if err1 != nil || err2 != nil || low < 0 || high > 0 {
			return fmt.Errorf("approved amount %s is not between %s and %s", d.Amount, p.Expected, p.Claimed)
		}
		return nil
	}
	return fmt.Errorf("verdict %q: want %q or %q", d.Verdict, Approve, Reject)
}

// Ruling is the outcome of a dispute, as the shipment applies it.
type Ruling struct {
	Dispute   DisputeID      `json:"dispute"`
	Proposal  string         `json:"proposal"` // hash of what was decided
	ChargeRef string         `json:"chargeRef"`
	Verdict   DisputeVerdict `json:"verdict"`
	Amount    Money          `json:"amount"` // what stands
	By        string         `json:"by"`
	Reason    string         `json:"reason"`
	At        time.Time      `json:"at"`
}

// Dispute is one dispute's whole state; it answers the dispute's query.
type Dispute struct {
	Proposal  Proposal        `json:"proposal"`
	Hash      string          `json:"hash"` // of the proposal
	OpenedAt  time.Time       `json:"openedAt"`
	RespondBy time.Time       `json:"respondBy,omitzero"`
	Overdue   bool            `json:"overdue,omitzero"`
	Answers   []DecisionReply `json:"answers,omitempty"`  // newest last, at most 50
	Ruling    *Ruling         `json:"ruling,omitempty"`   // nil while open
	JWS       string          `json:"jws,omitzero"`       // the decision that made the ruling, as signed
	Withdrawn bool            `json:"withdrawn,omitzero"` // nothing is left to decide: the charge or the shipment is no longer so
}

// DecisionReply tells the sender of a decision what became of it.
type DecisionReply struct {
	Nonce    string    `json:"nonce"`    // of the decision; "" where it could not be read
	Document string    `json:"document"` // SHA-256 of the signed document as it came, hex
	Applied  bool      `json:"applied"`
	Refusal  string    `json:"refusal,omitzero"` // why it was refused, and what to do
	At       time.Time `json:"at"`
}
