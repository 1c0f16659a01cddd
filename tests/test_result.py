"""What a result shows: words, pieces, HTML, terminal."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from lingua2 import Compressor
from lingua2.display import summary, to_terminal
from samples import AWKWARD, CODE, MANY_KINDS, PROSE


@pytest.mark.filterwarnings("ignore::lingua2.BudgetWarning")
@pytest.mark.parametrize("rate", [0.5, 1.0])
@pytest.mark.parametrize("text", [*MANY_KINDS.values(), *AWKWARD.values()])
def test_segments_are_the_whole_input(compressor: Compressor, text: str, rate: float) -> None:
    result = compressor.compress([text], rate=rate)
    segments = list(result.segments(0))
    assert "".join(piece for piece, _, _ in segments) == text
    kept = "".join(piece for piece, kept, _ in segments if kept)
    assert "".join(kept.split()) == "".join(result.texts[0].split())


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_shows_every_word_and_runs_none(compressor: Compressor) -> None:
    nasty = "<script>alert('x')</script> & \"quotes\" </div><img src=x onerror=y> said the mayor"
    html = compressor.compress([nasty, CODE], rate=0.5)._repr_html_()
    parser = _Text()
    parser.feed(html)
    assert nasty in parser.text
    assert CODE in parser.text
    assert parser.tags == {"div", "p", "b", "span", "details", "summary", "ul", "li"}
    assert html.count("<div") == html.count("</div>")
    assert "line-through" in html
    assert re.search(r"p\(keep\) = 0\.\d{3}", html)


def test_html_of_what_was_not_scored_and_of_lone_surrogates(compressor: Compressor) -> None:
    html = compressor.compress(["a < b \ud800"], rate=1.0)._repr_html_()
    assert "a &lt; b ?" in html
    html.encode()


def test_html_of_a_huge_text_is_bounded(compressor: Compressor) -> None:
    html = compressor.compress(["word " * 100_000], rate=1.0)._repr_html_()
    assert len(html) < 1_000_000
    assert "more than" in html
    assert html.count("<div") == html.count("</div>")


def test_the_terminal_view_cannot_be_driven_by_a_text(compressor: Compressor) -> None:
    result = compressor.compress(["red \x1b[31malert\x07 and the rest of it"], rate=0.5)
    assert "\x1b" not in to_terminal(result, colour=False)
    assert "\x1b[31m" not in to_terminal(result)


def test_the_terminal_view_marks_what_was_dropped(compressor: Compressor) -> None:
    result = compressor.compress([PROSE], rate=0.5)
    plain = to_terminal(result, colour=False)
    assert re.sub(r"\[-(.*?)-\]", r"\1", plain) == PROSE
    assert "[-The-]" in plain
    assert "\x1b[1;32mharbour\x1b[0m" in to_terminal(result)


def test_the_summary_counts(compressor: Compressor) -> None:
    result = compressor.compress([PROSE], target_token=20)
    assert summary(result).endswith("budget 20)")
    assert result.saved_tokens == result.original_tokens - result.compressed_tokens


def test_results_cannot_be_changed(compressor: Compressor) -> None:
    result = compressor.compress([PROSE], rate=0.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.budget = 7  # type: ignore[misc]
