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
from lingua2.protect import GUARDS, as_guards, blocks, governed, protected_spans
from lingua2.protect.finders import spans_by_text
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


def test_a_fence_closes_with_windows_line_ends_too() -> None:
    assert found("```\r\nx = 1\r\n```\r\nand on", "code") == ["```\r\nx = 1\r\n```"]


def test_three_backticks_on_one_line_open_no_block() -> None:
    assert found("```make all``` builds it.\nMore text.", "code") == []


def test_json_keeps_everything_but_the_inside_of_long_strings() -> None:
    value = "the pump was checked on site and works again as it should"
    text = f'Log: {{"id": 7, "note": "{value}", "tags": ["a", "b"]}} end'
    assert found(text, "json") == ['{"id": 7, "note": "', '", "tags": ["a", "b"]}']


def test_json_is_found_behind_any_number_of_brackets() -> None:
    log = "[worker] ready\n" * 500
    assert found(log + '["red", "blue"]', "json") == ['["red", "blue"]']


class CountingDecoder(json.JSONDecoder):
    """Counts the characters that it gets, which is what an error's place is counted in."""

    given = 0

    def raw_decode(self, s: str, idx: int = 0) -> tuple[object, int]:
        self.given += len(s)
        return super().raw_decode(s, idx)


@pytest.mark.parametrize(
    "piece", ["{", "[", '{"', '{"a" ', '{"a": 1 ', "x[10] = {y: [z]}; ", r"\frac{a}{b} "]
)
def test_looking_for_json_reads_a_text_a_bounded_number_of_times(
    piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    for size in (50_000, 200_000):
        monkeypatch.setattr(blocks, "_DECODER", decoder := CountingDecoder())
        assert blocks.json_structure((piece * size)[:size]) == []
        given.append(decoder.given)
    # In quadratic time it would be sixteen times as much.
    assert given[1] <= 5 * given[0]


def test_long_json_is_found_behind_what_is_none() -> None:
    value = {f"key {i}": ["short", i, -1.5e10, None, True, {"x": 'é\\"\n'}] for i in range(1500)}
    document = json.dumps(value)
    text = f'{{"cut": [1, "off {{x}} [0] {document} end [1] [ "a" ]'
    assert "".join(found(text, "json")).endswith(document + '[ "a" ]')


@pytest.mark.parametrize("end", ["true", "-Infinity", '"\\u00e9"', '"a long string"', "[[]]"])
def test_json_is_found_wherever_the_first_piece_of_it_ends(end: str) -> None:
    for size in range(1024 - len(end) - 12, 1024):
        text = '["' + "x" * (size - 4) + '",' + end + ', "z"]'
        assert found(text, "json") == [text]


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\\n"])
def test_json_strings_with_line_ends_stay_whole(end: str) -> None:
    text = '{"note": "' + f"one two three four{end}five six seven eight nine" + '"}'
    assert found(text, "json") == [text]


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


def test_tables_of_other_shapes_keep_theirs_too() -> None:
    text = "Part | Price\r\n--- | :-:\r\nBolt | 3\r\n"
    assert found(text, "tables") == ["|", "--- | :-:", "|"]


HOSTILE = ("a.", "a-", "a/", "a_", "1.", "`a ``", "|-", "[", '{"a":', '["', "aB", '"', "-k=1", " ")


@pytest.mark.parametrize("guard", [guard for guard in GUARDS if guard != "negations"])
@pytest.mark.parametrize("piece", HOSTILE)
def test_no_finder_takes_quadratic_time(guard: str, piece: str) -> None:
    began = time.monotonic()
    protected_spans(piece * 20_000, (guard,))
    # Takes milliseconds; half a minute and more where a pattern scans ahead from every place.
    assert time.monotonic() - began < 10


def negated(text: str) -> list[tuple[str, str]]:
    layout = Layout(text, split_units(text))
    words, negations = governed(layout)
    pairs = sorted(zip(words.tolist(), negations.tolist(), strict=True))
    return [(layout.unit(negation), layout.unit(word)) for word, negation in pairs]


def test_a_negation_governs_the_words_behind_it_in_its_clause() -> None:
    assert negated("It does not work. Don't touch it!") == [
        ("not", "work"),
        ("Don't", "touch"),
        ("Don't", "it"),
    ]


def governed_by_not(text: str) -> list[str]:
    return [word for negation, word in negated(text) if negation == "not"]


def test_words_that_say_little_do_not_use_up_the_reach_of_a_negation() -> None:
    found = governed_by_not("It is not the case that the landlord has paid for the lift repairs.")
    assert found == ["the", "case", "that", "the", "landlord", "has", "paid", "for", "the", "lift"]


def test_a_negation_reaches_behind_an_aside() -> None:
    assert governed_by_not("Do not, under any circumstances, unplug the freezer.") == [
        "unplug", "the", "freezer",
    ]  # fmt: skip
    assert governed_by_not("He is not (unless we agree) liable.") == ["liable"]
    assert governed_by_not("The lift is not – so they say – safe") == ["safe"]


def test_what_only_looks_like_an_aside_ends_the_clause() -> None:
    assert governed_by_not("I think not, go ahead.") == ["think"]
    assert governed_by_not("I think not, go\nahead, please.") == ["think"]
    assert governed_by_not("I think not,") == ["think"]
    assert governed_by_not("Not (") == []


def test_pieces_of_a_script_without_spaces_count_as_words() -> None:
    assert len(negated("我不喜欢吃苹果和香蕉因为太甜了")) == 3


def test_at_the_end_of_a_clause_it_governs_the_word_before_it() -> None:
    assert negated("Das geht nicht, leider.") == [("nicht", "geht")]


def test_negations_in_reach_of_each_other_depend_on_one_another_in_one_direction() -> None:
    assert negated("They did not ever say nothing bad, no.") == [
        ("not", "ever"),
        ("not", "say"),
        ("not", "nothing"),
        ("nothing", "bad"),
    ]
    assert negated("nie nicht") == [("nie", "nicht")]
    assert negated("Wir haben nicht das Geld gesehen nicht.") == [
        ("nicht", "das"),
        ("nicht", "Geld"),
        ("nicht", "gesehen"),
        ("nicht", "nicht"),
    ]


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


def test_an_expression_that_takes_too_long_is_given_up_for_all_texts_with_one_warning() -> None:
    hostile = "x" * 40 + "y!"
    texts = ["12 xy", *[f"{hostile} 3"] * 20]
    with pytest.warns(BudgetWarning) as caught:
        spans = spans_by_text(texts, as_guards([r"(x|x)*y$", r"\d+"]))
    (warning,) = caught
    assert "'(x|x)*y$'" in str(warning.message)
    assert "nothing more in 20 of 21 texts" in str(warning.message)
    assert [len(own) for own in spans] == [2] + [1] * 20, "others go on"


def test_wall_time_limits_an_expression_whatever_the_clock_of_regex_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shares: list[float] = []

    class Starved:
        """Runs in a process that gets hardly any processor time, or where others use it up."""

        def __init__(self, wall: float) -> None:
            self.wall = wall

        def finditer(self, text: str, timeout: float) -> None:
            shares.append(timeout)
            now[0] += self.wall * timeout
            raise TimeoutError

    now = [0.0]
    monkeypatch.setattr("lingua2.protect.finders.time.monotonic", lambda: now[0])
    for wall, most in ((20.0, 1.5), (1 / 16, 1.1)):
        now[0] = 0.0
        starved = Starved(wall)
        monkeypatch.setattr("lingua2.protect.finders._compiled", lambda _, own=starved: own)
        with pytest.warns(BudgetWarning, match="took longer than 0.5 s"):
            spans_by_text(["text"] * 3, (r"\d+",))
        assert 0.5 <= now[0] <= most
    assert shares[0] < 0.1
    assert shares[-1] >= 4


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
