package freight_test

import (
	"testing"

	"waybill/workflows/freight"
)

func TestEveryReasonIsOnceInTheVocabularyAndHasSomeoneWhoAnswers(t *testing.T) {
	seen := map[freight.Reason]bool{}
	for _, r := range freight.Reasons() {
		if seen[r] || !r.Known() || !r.FaultParty().Known() {
			t.Errorf("%s: seen %v, known %v, answers %q", r, seen[r], r.Known(), r.FaultParty())
		}
		seen[r] = true
	}
}

func TestReasonDecidesWhoPays(t *testing.T) {
	for r, want := range map[freight.Reason]freight.FaultParty{
		freight.ReasonLiftgateNeeded: freight.FaultShipper, freight.ReasonConsigneeNotHome: freight.FaultConsignee, freight.ReasonCarrierLost: freight.FaultCarrier,
		freight.ReasonWeather: freight.FaultForceMajeure, freight.ReasonCustomsDuties: freight.FaultCustoms, "invented": freight.FaultUnknown,
	} {
		if got := r.FaultParty(); got != want {
			t.Errorf("%s: %s answers, want %s", r, got, want)
		}
	}
	if freight.Reason("invented").Known() || freight.FaultParty("").Known() {
		t.Error("a word nobody defined is known")
	}
}
