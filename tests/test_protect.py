"""What the guards find in texts, and what compression then keeps."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua2 import BudgetWarning
from lingua2.protect import GUARDS, as_guards, governed, protected_spans
from lingua2.rendering import Layout
from lingua2.text import split_units


def found(text: str, *guards: str) -> list[str]:
    return [text[span.start : span.end].strip() for span in protected_spans(text, guards)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It cost $1,200.50 in all.", ["$1,200.50"]),
        ("Outside it was -5.5 °C, inside 21 °C.", ["-5.5 °C", "21 °C"]),
        ("About 20 million people saw it.", ["20 million"]),
        ("A rate of 3.5 GB/s, or 80% of 4 TB.", ["3.5 GB/s", "80%", "4 TB"]),
        ("The 3rd of 12 runs took 40 ms.", ["3rd", "12", "40 ms"]),
        ("€ 30 and 45 EUR and 12 euros", ["€ 30", "45 EUR", "12 euros"]),
        ("No figures here.", []),
    ],
)
def test_numbers_come_with_sign_currency_and_unit(text: str, expected: list[str]) -> None:
    assert found(text, "numbers") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Due 2024-03-12, sent 2024-03-12T10:30:00Z.", ["2024-03-12", "2024-03-12T10:30:00Z"]),
        ("Born on 12 March 1824 in Ulm.", ["12 March 1824"]),
        ("From May 3rd, 2019 until Q3 2021", ["May 3rd, 2019", "Q3 2021"]),
        ("At 9:15, again at 10:30 pm.", ["9:15", "10:30 pm"]),
        ("The 1990s began; 1998 ended.", ["1990s", "1998"]),
        ("The host 10.0.0.1:8080 answered.", []),
    ],
)
def test_dates(text: str, expected: list[str]) -> None:
    assert found(text, "dates") == expected


@pytest.mark.parametrize(
    "name",
    [
        "https://example.org/a/b?x=1&y=2",
        "jane.doe+test@mail.example.co.uk",
        "7f9c24e8-3b12-4a5d-9e77-2f1b0c8d6a43",
        "3f2a9bc",
        "0xDEADBEEF",
        "192.168.0.12",
        "v2.3.1",
        "1.4.0-rc1",
        "ABC-1234",
        "#4711",
        "/usr/local/bin/tool",
        "src/app/main.py",
        "C:\\Users\\me\\notes.txt",
        "settings.yaml",
        "--dry-run",
        "max_batch_tokens",
        "parseConfig()",
        "DocumentCompressor",
        "os.path.join",
        "std::vector",
    ],
)
def test_identifiers(name: str) -> None:
    assert name in found(f"Look at {name} first, then go on.", "identifiers")


@pytest.mark.parametrize("text", ["Read it first, then go on.", "e.g. this and/or that", "A-B"])
def test_prose_has_no_identifiers(text: str) -> None:
    assert found(text, "identifiers") == []


def test_code_is_a_fence_with_its_content_and_inline_code() -> None:
    text = "Use `pip install x` or:\n\n```sh\nmake  all\n```\n\nThen ``a`b`` ends."
    assert found(text, "code") == ["`pip install x`", "```sh\nmake  all\n```", "``a`b``"]


def test_a_fence_that_never_closes_reaches_to_the_end() -> None:
    text = "Try this:\n~~~\nx = 1\n```\ny = 2\n"
    assert found(text, "code") == ["~~~\nx = 1\n```\ny = 2"]


def test_json_keeps_everything_but_the_inside_of_long_strings() -> None:
    value = "the pump was checked on site and works again as it should"
    text = f'Log: {{"id": 7, "note": "{value}", "tags": ["a", "b"]}} end'
    assert found(text, "json") == ['{"id": 7, "note": "', '", "tags": ["a", "b"]}']


@pytest.mark.parametrize("text", ['{"a": 1', "see [1] and {x}", "[]", "{}", "[[[[[[" * 500])
def test_what_is_no_json_is_left_alone(text: str) -> None:
    assert found(text, "json") == []


def test_tables_keep_the_marks_between_their_cells() -> None:
    text = "| Part | Price |\n|------|------:|\n| Bolt \\| nut | 3 |\n\na | b is no table\n"
    assert found(text, "tables") == ["|"] * 3 + ["|------|------:|"] + ["|"] * 3


def test_headings_and_quotes() -> None:
    text = 'Title\n=====\n\n## Next step\nShe said "wait here" and left.\n'
    assert found(text, "headings") == ["Title\n=====", "## Next step"]
    assert found(text, "quotes") == ['"wait here"']


def negated(text: str) -> list[tuple[str, str]]:
    layout = Layout(text, split_units(text))
    words, negations = governed(layout)
    return [(layout.unit(n), layout.unit(w)) for w, n in zip(words, negations, strict=True)]


def test_a_negation_governs_the_words_behind_it_in_its_clause() -> None:
    assert negated("It does not work. Don't touch it!") == [
        ("not", "work"),
        ("Don't", "touch"),
        ("Don't", "it"),
    ]


def test_at_the_end_of_a_clause_it_governs_the_word_before_it() -> None:
    assert negated("Das geht nicht, leider.") == [("nicht", "geht")]


def test_a_negation_alone_governs_nothing() -> None:
    assert negated("No.\nNot\nyet") == []


def test_regular_expressions_protect_what_they_match() -> None:
    assert found("Part K-12 and part k-9.", *as_guards([re.compile(r"k-\d+", re.IGNORECASE)])) == [
        "K-12",
        "k-9",
    ]


def test_an_expression_that_backtracks_without_end_is_given_up_with_a_warning() -> None:
    began = time.monotonic()
    with pytest.warns(BudgetWarning, match=r"took longer than .* nested repetitions"):
        protected_spans("a" * 40 + "!", as_guards([r"(a|aa|a?)+$"]))
    # Far below what the expression would take; not a claim about speed.
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("numbers", "expected a list"),
        (3, "expected a list"),
        (["number"], "did you mean 'numbers'"),
        ([""], "unknown guard"),
        (["(unclosed"], "does not compile"),
        ([7], "expected a name or a regular expression"),
    ],
)
def test_what_is_no_guard_is_explained(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_guards(value)


@given(st.text(max_size=300))
def test_spans_lie_inside_any_text(text: str) -> None:
    for span in protected_spans(text, GUARDS):
        assert 0 <= span.start < span.end <= len(text)
    words, negations = governed(Layout(text, split_units(text)))
    assert not np.isin(negations, words[words == negations]).any()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=40),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
        ),
    )
)
def test_what_stays_of_json_is_still_json(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    spans = protected_spans(text, ("json",))
    kept = "".join(text[span.start : span.end] for span in spans)
    if spans:
        assert type(json.loads(kept)) is type(value)
