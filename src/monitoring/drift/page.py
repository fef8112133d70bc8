"""A report as one HTML page that needs nothing else: for a mail, a ticket or an archive."""

from __future__ import annotations

from html import escape

from src.monitoring.drift.schema import ChartState, DriftReport, Share, WindowState, share_of_limit

_COLOURS = {"none": "#2e7d32", "info": "#1565c0", "warning": "#b26a00", "critical": "#b71c1c"}
_STYLE = """
body { font: 15px/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 span { color: #fff; border-radius: .3rem; padding: .1rem .5rem; font-size: .7em }
table { border-collapse: collapse; width: 100% } th, td { border-bottom: 1px solid #ddd; padding: .3rem .5rem;
text-align: left } svg { width: 12rem; height: .8rem; background: #eee }
"""


def render(report: DriftReport) -> str:
    """The page's text."""
    parts = [_head(report)]
    if report.reasons:
        parts.append(f"<ul>{''.join(f'<li>{escape(reason)}</li>' for reason in report.reasons)}</ul>")
    if report.change is not None:
        change = report.change
        parts.append(
            f"<p>Alarmed by <b>{escape(change.chart)}</b> at {change.alarmed_at:%Y-%m-%d %H:%M:%S} UTC, "
            f"{change.photos_since} photos ago; it began about {change.began_about:%Y-%m-%d %H:%M:%S}. "
            f"Since then {change.labelled} labels, {change.errors} errors, "
            f"{change.errors_expected:.1f} expected.</p>"
        )
    if report.charts:
        rows = "".join(_chart(chart) for chart in report.charts)
        parts.append(f"<h2>Charts</h2><table><tr><th>chart<th>value<th>limit<th></tr>{rows}</table>")
    if report.windows:
        parts.append(f"<h2>Latest photos</h2>{_windows(report.windows)}")
    if report.labels is not None:
        labels = report.labels
        parts.append(
            f"<h2>Labels</h2><p>{labels.labelled} photos; precision {_share(labels.precision)}, recall "
            f"{_share(labels.recall)}; {labels.errors} errors, {labels.errors_expected:.1f} expected.</p>"
        )
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Drift</title><style>{_STYLE}</style>'
        f"\n{body}\n</html>\n"
    )


def _head(report: DriftReport) -> str:
    when = "" if report.computed_at is None else f"{report.computed_at:%Y-%m-%d %H:%M:%S} UTC"
    reference = report.reference
    against = (
        "no reference"
        if reference is None
        else f"{reference.photos} photos ({escape(reference.origin)}); one false alarm in "
        f"{reference.photos_between_alarms:,.0f} stable photos"
    )
    return (
        f"<h1>Drift: {escape(report.finding.replace('_', ' '))} "
        f'<span style="background:{_COLOURS[report.severity]}">{report.severity}</span></h1>'
        f"<p>Model {escape(report.model_version or 'unknown')}, {when}; status {report.status}; "
        f"{report.photos_seen} photos seen. Reference: {against}.</p>"
    )


def _chart(chart: ChartState) -> str:
    share = min(1.0, share_of_limit(chart.value, chart.limit))
    colour = _COLOURS["critical" if chart.over else "none"]
    bar = f'<svg viewBox="0 0 100 5" preserveAspectRatio="none"><rect width="{100 * share:.1f}" height="5" '
    return (
        f"<tr><td>{escape(chart.name)}<td>{chart.value:.1f}<td>{chart.limit:.1f}"
        f'<td>{bar}fill="{colour}"/></svg></tr>'
    )


def _windows(windows: tuple[WindowState, ...]) -> str:
    rows = {
        "photos": [f"{each.photos}" for each in windows],
        "logits: KS (p)": [f"{each.logit_ks:.3f} ({each.logit_ks_p:.2g})" for each in windows],
        "logits: PSI": [f"{each.logit_psi:.3f}" for each in windows],
        "embeddings: MMD²": [f"{each.embedding_mmd:.4f}" for each in windows],
        "far from the reference": [_share(each.far) for each in windows],
        "judged AI-generated": [
            f"{_share(each.judged_fake)}; p {each.judged_fake_p:.2g}" for each in windows
        ],
        "for review": [f"{_share(each.review)}; p {each.review_p:.2g}" for each in windows],
    }
    for name in windows[-1].inputs_psi:
        rows[f"files: PSI of {name}"] = [f"{each.inputs_psi[name]:.3f}" for each in windows]
    rows["API keys (largest share)"] = [f"{each.sources} ({each.largest_source:.0%})" for each in windows]
    lines = (f"<tr><th>{escape(name)}<td>{'<td>'.join(cells)}</tr>" for name, cells in rows.items())
    return f"<table>{''.join(lines)}</table>"


def _share(share: Share) -> str:
    return f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}]"
