"""Word labels from compressed texts: annotators and importers."""

from __future__ import annotations

import gzip
import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua2.dataset import (
    AlignmentAnnotator,
    Annotator,
    WindowAnnotator,
    annotate_text,
    read_meetingbank,
    read_pairs,
)
from lingua2.dataset.annotation import normalise, split_words
from lingua2.errors import DatasetError, OptionError

BOTH = pytest.mark.parametrize(
    "annotator", [AlignmentAnnotator(), WindowAnnotator()], ids=["alignment", "window"]
)


def kept(text, compressed, annotator):
    """The source words that ``compressed`` is found to stand for, in the order of the source."""
    words = split_words(text)
    places = annotator.annotate(words, split_words(compressed))
    return " ".join(words[j] for j in sorted(places[places >= 0]))


class TestNormalise:
    @pytest.mark.parametrize(
        "forms",
        [
            ("measure", "Measures", "MEASURED", "measuring"),
            ("stop", "stopped", "stopping", "stops"),
            ("party", "parties", "party's"),
            ("apply", "applied", "applies"),
            ("box", "boxes"),
            ("pass", "passes", "passed"),
            ("bold", "**bold**", "`bold`", "**Bold:**"),
            ("Straße", "STRASSE"),
            ("\uff21\uff22", "ab"),
        ],
    )
    def test_brings_the_forms_of_a_word_together(self, forms):
        assert len({normalise(form) for form in forms}) == 1

    @pytest.mark.parametrize(
        ("a", "b"),
        [("his", "hi"), ("sing", "s"), ("v2.0", "v2.1"), ("17", "18"), ("users_id", "user_id"),
         ("C++", "C"), ("bus", "bu"), ("red", "r")],
    )  # fmt: skip
    def test_keeps_different_words_apart(self, a, b):
        assert normalise(a) != normalise(b)

    @given(st.text(min_size=1))
    def test_never_loses_a_word_whole(self, word):
        assert normalise(word)


class TestBothAnnotators:
    @BOTH
    def test_follow_the_protocol(self, annotator):
        assert isinstance(annotator, Annotator)

    @BOTH
    def test_find_a_subset_of_the_words(self, annotator):
        text = "In 1902 the council bought a second ferry for the eastern quay."
        assert kept(text, "1902 council bought ferry eastern quay.", annotator) == (
            "1902 council bought ferry eastern quay ."
        )

    @BOTH
    def test_see_through_case_and_inflection(self, annotator):
        text = "The engineers were repairing both pumps."
        assert kept(text, "Engineer repaired pump", annotator) == "engineers repairing pumps"

    @BOTH
    def test_leave_words_of_the_teacher_alone(self, annotator):
        places = annotator.annotate(["Lena", "sold", "boats"], ["Lena", "traded", "boats"])
        assert places.tolist() == [0, -1, 2]

    @BOTH
    def test_find_moved_phrases(self, annotator):
        text = "Because the river froze early, the mill closed until the month of April."
        compressed = "mill closed until April, river froze early"
        assert kept(text, compressed, annotator).replace(" ,", "") == (
            "river froze early mill closed until April"
        )

    @BOTH
    @pytest.mark.parametrize(("words", "compressed"), [([], []), ([], ["a"]), (["a"], [])])
    def test_take_empty_texts(self, annotator, words, compressed):
        places = annotator.annotate(words, compressed)
        assert places.dtype == np.int64
        assert places.tolist() == [-1] * len(compressed)

    @BOTH
    @given(
        words=st.lists(st.sampled_from([*"aabbcd", "Pump", "pumps", "pumped", ",", ".", "("])),
        compressed=st.lists(st.sampled_from([*"abde", "pump", "PUMPING", "(", ",", ".", "”"])),
    )
    def test_use_each_source_word_once_and_only_for_forms_of_itself(
        self, annotator, words, compressed
    ):
        before = list(words), list(compressed)
        places = annotator.annotate(words, compressed)
        assert (words, compressed) == before
        assert places.shape == (len(compressed),)
        used = places[places >= 0].tolist()
        assert len(set(used)) == len(used)
        for word, place in zip(compressed, places.tolist(), strict=True):
            assert place < 0 or normalise(word)[:4] == normalise(words[place])[:4]

    @BOTH
    @given(st.data())
    def test_find_every_word_of_a_text_without_repetitions(self, annotator, data):
        words = [f"{a}{b}" for a in "klmnp" for b in "aeiou"]
        chosen = data.draw(st.sets(st.integers(0, len(words) - 1)))
        places = annotator.annotate(words, [words[j] for j in sorted(chosen)])
        assert places.tolist() == sorted(chosen)


class TestWindow:
    def test_passes_commas_over(self):
        assert WindowAnnotator().annotate(["a", ",", "b"], ["a", ",", "b"]).tolist() == [0, -1, 2]

    def test_prefers_the_word_ahead_to_one_as_far_behind(self):
        words = ["pump", "x", "quay", "y", "pump"]
        assert WindowAnnotator().annotate(words, ["quay", "pump"]).tolist() == [2, 4]

    def test_does_not_look_beyond_its_window(self):
        words = ["start", *"abcdefgh", "end"]
        assert WindowAnnotator(9).annotate(words, ["start", "end"]).tolist() == [0, -1]
        assert WindowAnnotator(10).annotate(words, ["start", "end"]).tolist() == [0, 9]

    def test_takes_a_common_beginning_for_another_form(self):
        assert WindowAnnotator().annotate(["decision", "decides"], ["decide"]).tolist() == [1]
        assert WindowAnnotator().annotate(["understood"], ["under"]).tolist() == [-1]
        assert WindowAnnotator().annotate(["timely"], ["time"]).tolist() == [-1]
        assert WindowAnnotator().annotate(["quickly"], ["quick"]).tolist() == [0]

    def test_window_must_hold_a_word(self):
        with pytest.raises(OptionError, match="at least 1, got 0"):
            WindowAnnotator(0)


class TestAlignment:
    TEXT = (
        "The old pump of Mira was sold. The new pump of Tomas was kept. "
        "The spare pump of Lena was sold."
    )

    @pytest.mark.parametrize(
        ("compressed", "places"),
        [("pump of Tomas kept", [10, 11, 12, 14]), ("spare pump sold", [17, 18, 22])],
    )
    def test_takes_repeated_words_in_their_context(self, compressed, places):
        words = split_words(self.TEXT)
        found = AlignmentAnnotator().annotate(words, split_words(compressed))
        assert found.tolist() == places

    def test_does_better_there_than_the_window(self):
        words, compressed = split_words(self.TEXT), ["pump", "of", "Tomas", "kept"]
        right = [10, 11, 12, 14]
        assert WindowAnnotator().annotate(words, compressed).tolist() != right
        assert AlignmentAnnotator().annotate(words, compressed).tolist() == right

    def test_prefers_a_word_as_written(self):
        words = ["pumped", "PUMP", "pump", "Pump"]
        assert AlignmentAnnotator().annotate(words, ["pump"]).tolist() == [2]

    @pytest.mark.parametrize(
        ("compressed", "place"),
        [("200", 2), ("status", 2), ("Guide", 1), ("https://ferry.example/guide", 1), ("20", -1)],
    )
    def test_finds_a_compound_word_by_its_pieces(self, compressed, place):
        words = split_words("[Ferry Guide](https://ferry.example/guide) status=200")[1:]
        assert AlignmentAnnotator().annotate(words, [compressed]).tolist() == [place]

    def test_prefers_a_word_of_its_own_to_a_piece(self):
        words = ["status=200", "was", "200"]
        assert AlignmentAnnotator().annotate(words, ["200"]).tolist() == [2]
        assert AlignmentAnnotator().annotate(words, ["200", "200"]).tolist() == [0, 2]

    def test_forgives_a_typo_but_not_a_digit(self):
        annotator = AlignmentAnnotator()
        assert annotator.annotate(["the", "harbour", "office"], ["harbor"]).tolist() == [1]
        assert annotator.annotate(["in", "1902412"], ["1902413"]).tolist() == [-1]

    def test_a_comma_takes_none_that_is_far_away(self):
        words = ["ferry", *(f"w{k}" for k in range(60)), ",", *(f"v{k}" for k in range(60)), "quay"]
        assert AlignmentAnnotator().annotate(words, ["ferry", ",", "quay"]).tolist() == [0, -1, 122]

    def test_a_comma_stays_with_the_word_before_it(self):
        words = split_words("Mira, who came late, left")
        assert AlignmentAnnotator().annotate(words, ["Mira", ",", "left"]).tolist() == [0, 1, 6]

    def test_a_small_word_of_the_teacher_is_not_searched_for_everywhere(self):
        words = ["ferry", "quay", *(f"w{k}" for k in range(60)), *["of", "x"] * 8]
        assert AlignmentAnnotator().annotate(words, ["of", "ferry", "quay"]).tolist()[0] == -1

    @given(st.lists(st.sampled_from("abcdef"), max_size=40), st.randoms(use_true_random=False))
    def test_finds_all_of_a_subsequence_however_words_repeat(self, words, rng):
        chosen = sorted(rng.sample(range(len(words)), rng.randint(0, len(words))))
        places = AlignmentAnnotator().annotate(words, [words[j] for j in chosen])
        assert (places >= 0).all()

    def test_long_texts_do_not_explode(self):
        rng = random.Random(0)  # noqa: S311
        words = rng.choices([f"word{a}{b}" for a in "abcdef" for b in "abcdef"], k=3000)
        chosen = sorted(rng.sample(range(3000), 900))
        places = AlignmentAnnotator().annotate(words, [words[j] for j in chosen])
        assert (places >= 0).all()


class TestLevels:
    TEXT = "The ferry left. The old ferry left at noon, and the mail came later."

    def test_count_the_compressions_that_keep_a_word(self):
        units, levels = annotate_text(
            "Mira sold the old ferry", ["Mira sold ferry", "Mira ferry"], AlignmentAnnotator()
        )
        assert len(units) == len(levels)
        assert levels.tolist() == [2, 1, 0, 0, 2]

    @BOTH
    def test_a_stronger_compression_is_found_in_the_milder_one(self, annotator):
        _, levels = annotate_text(self.TEXT, ["old ferry left noon", "ferry noon"], annotator)
        words = split_words(self.TEXT)
        marked = [(word, level) for word, level in zip(words, levels, strict=True) if level]
        assert marked == [("old", 1), ("ferry", 2), ("left", 1), ("noon", 2)]

    @BOTH
    def test_words_that_only_the_stronger_one_has_count_for_all(self, annotator):
        _, levels = annotate_text(self.TEXT, ["ferry left", "ferry mail"], annotator)
        words = split_words(self.TEXT)
        assert levels[words.index("mail")] == 2
        assert sorted(levels.tolist(), reverse=True)[:4] == [2, 2, 1, 0]

    @BOTH
    def test_a_text_without_compressions_or_words(self, annotator):
        assert annotate_text("a b", [], annotator)[1].tolist() == [0, 0]
        assert annotate_text("", ["a"], annotator)[1].tolist() == []


ROW = {
    "id": "r1",
    "domain": "letters",
    "source": "own",
    "license": "CC0-1.0",
    "text": "Mira sold the old ferry in Norrvik.",
    "compressed": "Mira sold ferry Norrvik.",
    "core": "Mira ferry",
    "question": "Where was it sold?",
    "evidence": "in Norrvik",
}


def write_rows(path, rows):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(map(json.dumps, rows)) + "\n")
    return path


class TestPairs:
    @pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz"])
    def test_become_examples(self, tmp_path, name):
        (example,) = read_pairs(write_rows(tmp_path / name, [ROW]))
        assert example.words == ["Mira", "sold", "the", "old", "ferry", "in", "Norrvik", "."]
        assert example.levels == (2, 1, 0, 0, 2, 0, 1, 1)
        assert example.level_names == ("compressed", "core")
        assert example.compressed == (ROW["compressed"], ROW["core"])
        assert example.evidence == (0, 0, 0, 0, 0, 1, 1, 0)
        for name in ("id", "domain", "source", "license", "question"):
            assert getattr(example, name) == ROW[name]

    def test_a_status_of_other_files_means_nothing(self, tmp_path):
        (example,) = read_pairs(write_rows(tmp_path / "a.jsonl", [ROW | {"status": "published"}]))
        assert example.id == "r1"

    def test_levels_that_the_file_lacks_are_left_out(self, tmp_path):
        row = {k: v for k, v in ROW.items() if k in ("id", "text", "compressed")}
        (example,) = read_pairs(write_rows(tmp_path / "a.jsonl", [row | {"core": None}]))
        assert example.level_names == ("compressed",)
        assert example.question is None
        assert example.evidence == ()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"text": 7}, "line 2: field 'text' must be str, got 7"),
            ({"core": None}, "line 2: field 'core' must be str, got None"),
            ({"id": None}, "line 2: field 'id' must be str or int"),
            ({"domain": ["x"]}, "line 2: field 'domain' must be str"),
            ({"id": "r1"}, "line 2: id 'r1' occurs twice"),
        ],
    )
    def test_a_bad_row_is_named(self, tmp_path, change, message):
        path = write_rows(tmp_path / "a.jsonl", [ROW, ROW | {"id": "r2"} | change])
        with pytest.raises(DatasetError, match=rf"a\.jsonl, {message}"):
            read_pairs(path)

    def test_come_from_parquet_as_well(self, tmp_path):
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        path = tmp_path / "pairs.parquet"
        parquet.write_table(arrow.Table.from_pylist([ROW]), path)
        assert read_pairs(path) == read_pairs(write_rows(tmp_path / "pairs.jsonl", [ROW]))
        parquet.write_table(arrow.Table.from_pylist([ROW | {"text": 7}]), path)
        with pytest.raises(DatasetError, match=r"pairs\.parquet, row 1: field 'text' must be str"):
            read_pairs(path)

    def test_a_file_without_any_level_is_refused(self, tmp_path):
        path = write_rows(tmp_path / "a.jsonl", [{"id": "1", "text": "x"}])
        with pytest.raises(DatasetError, match=r"none of the levels compressed, core; .* id, text"):
            read_pairs(path)


MEETING = {
    "idx": 4,
    "prompt": "The ferry left. The mail came.",
    "prompt_list": ["The ferry left.", "The mail came."],
    "compressed_prompt": "Ferry left. Mail came.",
    "compressed_prompt_list": ["Ferry left.", "Mail came."],
}


class TestMeetingBank:
    def check(self, examples):
        assert [example.id for example in examples] == ["4#0", "4#1"]
        assert [example.levels for example in examples] == [(0, 1, 1, 1)] * 2
        assert examples[0].compressed == ("Ferry left.",)
        assert examples[0].license == "CC BY-NC-SA 4.0"

    def test_chunks_become_examples(self):
        self.check(read_meetingbank([MEETING]))

    def test_data_of_ones_own_say_where_they_come_from(self):
        own = {"source": "our council", "license": "CC0-1.0", "teacher": "by hand"}
        for example in read_meetingbank([MEETING | own]):
            assert (example.source, example.license) == ("our council", "CC0-1.0")
            assert (example.teacher, example.domain) == ("by hand", "meetings")

    def test_what_the_hub_does_not_have_is_named(self, monkeypatch):
        datasets = pytest.importorskip("datasets")

        def fail(*_, **__):
            raise ValueError('Unknown split "train"')

        monkeypatch.setattr(datasets, "load_dataset", fail)
        with pytest.raises(DatasetError, match=r"'our/minutes' \(split 'train'\) cannot be loaded"):
            read_meetingbank("our/minutes")

    @pytest.mark.parametrize("rows", [[MEETING], {"4": MEETING}])
    def test_from_json(self, tmp_path, rows):
        (tmp_path / "m.json").write_text(json.dumps(rows), encoding="utf-8")
        self.check(read_meetingbank(tmp_path / "m.json"))

    def test_from_json_lines_and_parquet(self, tmp_path):
        self.check(read_meetingbank(write_rows(tmp_path / "m.jsonl", [MEETING])))
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist([MEETING]), tmp_path / "m.parquet")
        self.check(read_meetingbank(str(tmp_path / "m.parquet")))

    def test_lists_that_do_not_pair_are_left_out_and_counted(self, caplog):
        other = MEETING | {"idx": 5, "compressed_prompt_list": ["Ferry left."]}
        self.check(read_meetingbank([MEETING, other]))
        assert "left out 1 rows" in caplog.text

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"prompt_list": "x"}, "row 1: field 'prompt_list' must be list"),
            ({"compressed_prompt_list": ["x", 3]}, r"'compressed_prompt_list'\[1\] must be str"),
            ({"idx": None}, "field 'idx' must be int or str"),
        ],
    )
    def test_a_bad_row_is_named(self, change, message):
        with pytest.raises(DatasetError, match=message):
            read_meetingbank([MEETING | change])
