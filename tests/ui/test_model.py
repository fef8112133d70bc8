"""The page about the model: card, policies with their figures, and the threshold explorer."""

from __future__ import annotations

from src.client import ApiError
from src.ui.gateway import policies_of
from src.ui.strings import model as text
from src.ui.strings import shared
from tests.ui.conftest import words
from tests.ui.fakes import report


def test_without_a_report_the_card_stands_alone_and_says_so(opened) -> None:
    page = opened("model")
    assert not page.exception
    assert text.NO_REPORT in words(page)
    assert "tiny\\_conv" in words(page)
    table = page.dataframe[0].value
    assert table[text.POLICY_COLUMNS["policy"]].tolist()[0] == shared.POLICIES["balanced"]
    assert text.POLICY_COLUMNS["recall"] not in table


def test_policies_are_shown_with_what_they_cost(opened, service) -> None:
    service.figures = report()
    table = opened("model").dataframe[0].value
    assert table[text.POLICY_COLUMNS["recall"]].tolist()[0] == "80.0 % (70.0 % to 90.0 %)"
    assert table[text.POLICY_COLUMNS["review"]].tolist()[0] == "25.0 %"


def test_a_moved_threshold_shows_what_it_would_cost_and_bring(opened, service) -> None:
    service.figures = report()
    page = opened("model")
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown[text.FALSE_ALARMS].startswith("50.0 %")
    page.slider[0].set_value(90).run()
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown[text.FALSE_ALARMS].startswith("10.0 %")
    assert shown[text.FOUND].startswith("55.0 %")
    assert text.PER_THOUSAND.format(false="100", missed="450") in words(page)


def test_figures_of_another_data_set_can_be_chosen(opened, service) -> None:
    service.figures = report()
    page = opened("model")
    assert text.EXPLORER_NOTE in words(page)
    page.selectbox[0].set_value("test").run()
    assert not page.exception
    assert page.selectbox[0].value == "test"
    assert text.EXPLORER_NOTE not in words(page)


def test_a_service_without_a_model_is_told(opened, service) -> None:
    service.fails["model"] = ApiError("model_not_ready", 503, "x", retry_after_s=3)
    page = opened("model")
    assert "not ready yet; try again in 3 s" in words(page)
    assert page.button(key="model_retry")


def test_policies_of_a_newer_card_that_cannot_be_read_are_left_out(service) -> None:
    model = service.model()
    model.model_extra["policies"]["strange"] = {"threshold": "high"}
    model.model_extra["default_policy"] = "high_recall"
    assert next(iter(policies_of(model))) == "high_recall"
    assert "strange" not in policies_of(model)
    model.model_extra["policies"] = None
    assert policies_of(model) == {}
