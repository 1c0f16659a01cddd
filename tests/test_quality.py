"""Quality control: metrics, filters, the report and the command."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua2.dataset import (
    AlignmentAnnotator,
    Example,
    annotate_text,
    filter_examples,
    measure,
    read_examples,
)
from lingua2.dataset.command import add_command
from lingua2.dataset.report import quality_markdown
from lingua2.errors import DatasetError, OptionError

TEXT = "Mira sold the old ferry, and Tomas bought it."  # nine words and two marks


def example(compressed, name="e", text=TEXT, **fields):
    units, levels = annotate_text(text, [compressed], AlignmentAnnotator())
    return Example(
        id=name,
        text=text,
        starts=tuple(units.starts.tolist()),
        ends=tuple(units.ends.tolist()),
        levels=tuple(levels.tolist()),
        compressed=(compressed,),
        **fields,
    )


def rated(variation, name):
    """An example of a hundred words whose compression has ``variation`` words of its own."""
    source = [f"w{k}" for k in range(100)]
    own = [f"x{k}" for k in range(variation)]
    return example(" ".join(source[variation:] + own), name, " ".join(source))


class TestMeasure:
    def test_a_faithful_compression(self):
        metrics = measure(example("Mira sold ferry, Tomas bought."))
        assert metrics.variation_rate == 0
        assert metrics.hitting_rate == metrics.matching_rate == pytest.approx(5 / 9)
        assert metrics.alignment_gap == 0

    def test_words_of_the_teacher_are_variation(self):
        metrics = measure(example("Mira traded ferry cheaply"))
        assert metrics.variation_rate == 0.5
        assert metrics.hitting_rate == metrics.matching_rate == pytest.approx(2 / 9)

    def test_words_that_cannot_be_placed_are_the_gap(self):
        metrics = measure(example("Mira Mira Mira ferry"))
        assert metrics.variation_rate == 0
        assert metrics.hitting_rate == pytest.approx(4 / 9)
        assert metrics.matching_rate == pytest.approx(2 / 9)
        assert metrics.alignment_gap == pytest.approx(2 / 9)

    def test_punctuation_does_not_count(self):
        assert measure(example("Mira! (ferry)")) == measure(example("Mira ferry"))

    def test_inflection_is_no_variation(self):
        assert measure(example("mira sells FERRIES, Tomas buying")).variation_rate == 2 / 5

    def test_pieces_of_compound_words_are_no_variation(self):
        metrics = measure(example("GET orders 200", text="GET path=/v1/orders status=200 ok"))
        assert metrics.variation_rate == 0
        assert metrics.matching_rate == 0.75

    @pytest.mark.parametrize(("compressed", "text"), [("", TEXT), ("...", TEXT), ("", "")])
    def test_nothing_gives_zero(self, compressed, text):
        metrics = measure(example(compressed, text=text))
        assert (metrics.variation_rate, metrics.hitting_rate, metrics.matching_rate) == (0, 0, 0)

    def test_needs_the_compressed_text(self):
        with pytest.raises(DatasetError, match="'e' has no compressed text"):
            measure(Example("e", "a", (0,), (1,), (1,)))


class TestFilter:
    def test_drops_the_percentage_with_the_most_variation(self):
        examples = [rated(k, f"e{k}") for k in range(20)]
        report = filter_examples(examples, variation_percentile=10, alignment_percentile=0)
        assert [item.example.id for item in report.dropped] == ["e18", "e19"]
        assert {item.reason for item in report.dropped} == {"variation rate"}
        assert [item.id for item in report.kept] == [f"e{k}" for k in range(18)]
        assert report.limits["variation rate"] == pytest.approx(0.17)

    def test_then_the_percentage_of_the_rest_with_the_widest_gap(self):
        # The one with most variation has the widest gap as well, and counts for the first filter.
        examples = [example("Mira sold ferry", f"good{k}") for k in range(9)]
        examples += [example("ferry ferry sold", "gap"), example("barge ferry ferry ferry", "both")]
        report = filter_examples(examples, variation_percentile=10, alignment_percentile=10)
        assert [(item.example.id, item.reason) for item in report.dropped] == [
            ("both", "variation rate"),
            ("gap", "alignment gap"),
        ]

    def test_ties_with_the_first_that_stays_all_stay(self):
        examples = [rated(3, f"e{k}") for k in range(10)] + [rated(1, "low")]
        assert filter_examples(examples, variation_percentile=50).dropped == ()

    def test_examples_without_fault_are_never_dropped(self):
        examples = [example("Mira sold ferry", f"e{k}") for k in range(5)]
        report = filter_examples(examples, variation_percentile=100, alignment_percentile=100)
        assert len(report.kept) == 5

    def test_limits_take_the_place_of_percentages(self):
        examples = [rated(k, f"e{k}") for k in (0, 10, 20, 30)]
        report = filter_examples(examples, max_variation_rate=0.2)
        assert [item.example.id for item in report.dropped] == ["e30"]
        report = filter_examples([example("ferry ferry", "e")], max_alignment_gap=0.05)
        assert [item.reason for item in report.dropped] == ["alignment gap"]

    def test_examples_come_back_measured_and_the_given_ones_stay_as_they_were(self):
        given_one = example("Mira sold ferry")
        report = filter_examples([given_one])
        assert report.kept[0].metrics == measure(given_one)
        assert given_one.metrics is None

    def test_nothing_to_filter(self):
        assert filter_examples([]).examples == ()

    @pytest.mark.parametrize(
        "option",
        [{"variation_percentile": 101}, {"alignment_percentile": -1}, {"max_variation_rate": 1.5},
         {"max_alignment_gap": float("nan")}],
    )  # fmt: skip
    def test_options_out_of_range_are_refused(self, option):
        with pytest.raises(OptionError, match=f"{next(iter(option))} must be a number in"):
            filter_examples([], **option)

    @given(
        st.lists(st.integers(0, 6), max_size=30),
        st.floats(0, 100),
    )
    def test_never_drops_more_than_the_percentage_nor_better_ones_than_it_keeps(
        self, variations, percentile
    ):
        examples = [SAMPLES[k] for k in variations]
        report = filter_examples(examples, variation_percentile=percentile, alignment_percentile=0)
        assert len(report.kept) + len(report.dropped) == len(examples)
        assert len(report.dropped) <= len(examples) * percentile / 100
        kept = [item.metrics.variation_rate for item in report.kept]
        dropped = [item.example.metrics.variation_rate for item in report.dropped]
        assert not kept or not dropped or max(kept) < min(dropped)
        assert 0 not in dropped


SAMPLES = [rated(k, "e") for k in range(7)]


class TestReport:
    def report(self, **options):
        examples = [example("Mira sold ferry", f"good{k}", domain="letters") for k in range(18)]
        examples += [
            example("Mira sold `ferry` | barge", "bad|one", domain="notes"),
            example("ferry ferry ferry", "gap", domain="notes"),
        ]
        return filter_examples(examples, **options)

    def test_tells_what_was_dropped_and_why(self):
        text = quality_markdown(self.report(variation_percentile=5, alignment_percentile=10))
        assert "18 of 20 examples kept, 2 dropped" in text
        assert "| variation rate | 0.0000 | 1 |" in text
        assert "| alignment gap | 0.0000 | 1 |" in text
        assert "| letters | 18 | 18 | 0.273 |" in text
        assert "| notes | 2 | 0 |  |" in text

    def test_shows_the_worst_with_the_words_that_are_not_in_the_source(self):
        text = quality_markdown(self.report(variation_percentile=5))
        assert "### bad\\|one: variation rate 0.4000" in text
        assert "- not in the source: “|”, “barge”" in text
        assert "- compressed: `Mira sold 'ferry' | barge`" in text
        assert "bad\\|one" not in quality_markdown(self.report(), worst=0)

    def test_draws_a_histogram_with_the_cut(self):
        text = quality_markdown(self.report(variation_percentile=5))
        bars = [line for line in text.splitlines() if "█" in line or "▏" in line]
        assert any(" 19 " + "█" * 40 in bar and "dropped above 0.0000" in bar for bar in bars)
        # A single example among many is still to be seen.
        assert any(line.rstrip().endswith(("  1 ██", "1 ██▏")) for line in bars)

    def test_of_nothing(self):
        assert "0 of 0 examples kept" in quality_markdown(filter_examples([]))


class TestCommand:
    def run(self, *arguments):
        parser = argparse.ArgumentParser()
        add_command(parser.add_subparsers())
        args = parser.parse_args(["annotate", *map(str, arguments)])
        return args.run(args)

    def pairs(self, tmp_path):
        rows = [
            {"id": f"e{k}", "text": TEXT, "compressed": "Mira sold ferry", "core": "ferry"}
            for k in range(19)
        ]
        rows.append({"id": "bad", "text": TEXT, "compressed": "a cheap barge", "core": "barge"})
        path = tmp_path / "pairs.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        return path

    @pytest.mark.parametrize("annotator", ["alignment", "window"])
    def test_writes_labelled_examples_and_a_report(self, tmp_path, capsys, annotator):
        output, report = tmp_path / "out.jsonl", tmp_path / "new" / "report.md"
        source = self.pairs(tmp_path)
        arguments = ("--output", output, "--report", report, "--annotator", annotator)
        assert self.run(source, *arguments) == 0
        examples = read_examples(output)
        assert [item.id for item in examples] == [f"e{k}" for k in range(19)]
        assert examples[0].levels[:5] == (1, 1, 0, 0, 2)
        assert examples[0].metrics is not None
        assert "### bad: variation rate" in report.read_text(encoding="utf-8")
        said = capsys.readouterr().out
        assert "20 examples annotated" in said
        assert "dropped 1 for their variation rate, 0 for their alignment gap" in said
        assert "27.3% labelled 'compressed', 9.1% labelled 'core'" in said

    def test_can_keep_everything(self, tmp_path):
        output = tmp_path / "out.jsonl"
        self.run(self.pairs(tmp_path), "--output", output, "--no-filter")
        assert len(read_examples(output)) == 20

    def test_drops_by_limits_where_examples_are_few(self, tmp_path, capsys):
        source, output = self.pairs(tmp_path), tmp_path / "out.jsonl"
        source.write_text("\n".join(source.read_text("utf-8").splitlines()[-3:]), "utf-8")
        self.run(source, "--output", output)
        assert len(read_examples(output)) == 3
        limits = ("--max-variation-rate", "0.2", "--max-alignment-gap", "0.1")
        self.run(source, "--output", output, *limits)
        assert [item.id for item in read_examples(output)] == ["e17", "e18"]
        assert "dropped 1 for their variation rate, 0" in capsys.readouterr().out
        self.run(source, "--output", output, *limits, "--no-filter")
        assert len(read_examples(output)) == 3

    def test_reads_the_papers_layout(self, tmp_path):
        row = {"idx": 1, "prompt_list": [TEXT], "compressed_prompt_list": ["Mira sold"]}
        (tmp_path / "m.json").write_text(json.dumps([row]), encoding="utf-8")
        output = tmp_path / "out.jsonl"
        self.run(tmp_path / "m.json", "--output", output, "--format", "meetingbank")
        assert [item.id for item in read_examples(output)] == ["1#0"]

    def test_refuses_another_kind_of_file_before_it_works(self, tmp_path):
        with pytest.raises(DatasetError, match=r"--output must end in \.jsonl"):
            self.run(tmp_path / "missing.jsonl", "--output", tmp_path / "out.csv")

    def test_adding_it_imports_nothing_heavy(self):
        code = (
            "import sys; before = set(sys.modules); import lingua2.dataset.command; "
            "print(*sorted({'datasets', 'pyarrow', 'pandas'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (0, "")
