"""Weighing a store: which failures concern the signer only, and stores of any shape."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.inference.provenance.claims import judge_store
from tests.inference.provenance.signing import CAPTURED, GENERATED

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def store(*failures: str, state: str = "Invalid", source_type: str = GENERATED) -> dict:
    action = {"action": "c2pa.created", "digitalSourceType": source_type}
    return {
        "active_manifest": "a",
        "manifests": {"a": {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}]}},
        "validation_state": state,
        "validation_results": {
            "activeManifest": {
                "success": [{"code": "claimSignature.validated"}],
                "failure": [{"code": code} for code in failures],
            }
        },
    }


@pytest.mark.parametrize(
    ("failures", "state", "standing", "strength"),
    [
        ((), "Trusted", "trusted", "conclusive"),
        ((), "Valid", "intact", "strong"),
        (("signingCredential.untrusted",), "Valid", "intact", "strong"),
        (("signingCredential.untrusted", "signingCredential.expired"), "Invalid", "intact", "strong"),
        (("signingCredential.invalid",), "Invalid", "intact", "strong"),
        # A state that contradicts its own failures is not believed.
        (("signingCredential.untrusted",), "Trusted", "intact", "strong"),
        (("signingCredential.ocsp.revoked",), "Invalid", "broken", "weak"),
        (("assertion.dataHash.mismatch",), "Invalid", "broken", "weak"),
        (("signingCredential.untrusted", "claimSignature.mismatch"), "Invalid", "broken", "weak"),
        (("claim.hardBindings.missing",), "Trusted", "broken", "weak"),
    ],
)
def test_only_failures_of_the_signer_leave_a_manifest_intact(failures, state, standing, strength):
    signal = judge_store(store(*failures, state=state))
    assert (signal.detail["validation"], signal.strength) == (standing, strength)
    assert signal.says == "ai_generated"


@pytest.mark.parametrize("results", [None, {}, {"activeManifest": {}}, {"activeManifest": {"success": [{}]}}])
def test_a_store_whose_signature_was_not_checked_is_broken(results):
    assert judge_store(store(state="Trusted") | {"validation_results": results}).strength == "weak"


def test_a_source_type_in_a_metadata_assertion_counts():
    found = store(state="Trusted", source_type="http://c2pa.org/digitalsourcetype/empty")
    found["manifests"]["a"]["assertions"].append(
        {"label": "cawg.metadata", "data": {"Iptc4xmpExt:DigitalSourceType": GENERATED}}
    )
    assert judge_store(found).says == "ai_generated"


def test_a_claim_of_ai_outweighs_one_of_a_camera_beside_it():
    found = store(state="Trusted", source_type=CAPTURED)
    assert judge_store(found).says == "camera"
    found["manifests"]["a"]["assertions"][0]["data"]["actions"].append({"digitalSourceType": GENERATED})
    assert judge_store(found).says == "ai_generated"


def test_manifests_that_name_each_other_are_walked_once():
    found = store(state="Trusted", source_type=CAPTURED)
    names = [str(number) for number in range(300)]
    others = [{"active_manifest": name, "relationship": "parentOf"} for name in names]
    found["manifests"]["a"]["ingredients"] = others
    found["manifests"] |= {name: {"ingredients": others} for name in names}
    assert judge_store(found).says == "camera"


@pytest.mark.parametrize("field", ["manifests", "active_manifest", "validation_results", "validation_state"])
@settings(max_examples=40, deadline=None)
@given(value=JSON)
def test_stores_of_any_shape_are_never_conclusive_by_accident(field, value):
    signal = judge_store(store(state="Valid") | {field: value})
    assert signal.strength != "conclusive" or value == "Trusted"


@settings(max_examples=60, deadline=None)
@given(JSON, JSON, JSON)
def test_manifests_of_any_shape_are_survived(assertions, ingredients, generator):
    found = store(state="Trusted")
    found["manifests"]["a"] = {
        "assertions": assertions,
        "ingredients": ingredients,
        "claim_generator_info": generator,
        "signature_info": assertions,
    }
    assert judge_store(found).kind == "c2pa"
