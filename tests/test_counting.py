"""Token counters: what may be given, and that counts are the reader's."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from pathlib import Path

import numpy as np
import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st
from tiktoken_ext import openai_public
from tokenizers import Tokenizer
from transformers import AutoTokenizer

import checkpoints
from lingua2 import Compressor, TokenCounterError
from lingua2.counting import bundled_encodings, resolve_token_counter, tiktoken_encoding
from samples import AWKWARD, MANY_KINDS

LONG = MANY_KINDS["prose"] * 20


@pytest.mark.parametrize("name", ["cl100k_base", "o200k_base"])
def test_bundled_vocabularies_are_tiktokens_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    published: dict[str, str] = {}

    def note_hash(_: str, expected_hash: str) -> dict[bytes, int]:
        published["hash"] = expected_hash
        return {}

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", note_hash)
    theirs = getattr(openai_public, name)()
    ours = tiktoken_encoding(name)
    assert ours._pat_str == theirs["pat_str"]
    lines = (
        base64.b64encode(token) + f" {rank}\n".encode()
        for token, rank in sorted(ours._mergeable_ranks.items(), key=lambda item: item[1])
    )
    assert hashlib.sha256(b"".join(lines)).hexdigest() == published["hash"]


@pytest.mark.parametrize("name", ["gpt-4", "gpt-3.5-turbo", "gpt-4o", "o200k_harmony"])
def test_bundled_encodings_serve_model_names_without_network(name: str) -> None:
    assert tiktoken_encoding(name).encode_ordinary("hello world") != []
    assert "cl100k_base" in bundled_encodings()


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(TokenCounterError, match=r"did you mean 'cl100k_base'\?.*o200k_base"):
        resolve_token_counter("cl100k_bass")


def test_an_encoding_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str) -> tiktoken.Encoding:
        raise ConnectionError(name)

    monkeypatch.setattr(tiktoken, "get_encoding", offline)
    with pytest.raises(TokenCounterError, match=r"'p50k_edit'.*not bundled.*TIKTOKEN_CACHE_DIR"):
        resolve_token_counter("p50k_edit")


def test_text_that_spells_a_special_token_is_counted_as_text() -> None:
    assert resolve_token_counter("cl100k_base")("<|endoftext|>") > 1


def test_hugging_face_tokenizers_count_without_special_tokens_or_truncation(tmp_path: Path) -> None:
    path = checkpoints.build_roberta(tmp_path)
    fast = AutoTokenizer.from_pretrained(path)
    expected = len(fast(LONG, add_special_tokens=False)["input_ids"])
    bare = Tokenizer.from_file(str(path / "tokenizer.json"))
    bare.enable_truncation(16)
    assert resolve_token_counter(fast)(LONG) == expected
    assert resolve_token_counter(bare)(LONG) == expected
    assert bare.truncation["max_length"] == 16


def test_a_tiktoken_encoding_object_counts() -> None:
    assert resolve_token_counter(tiktoken_encoding("cl100k_base"))("hello world") == 2


def test_a_callable_may_return_the_number_or_the_tokens() -> None:
    assert resolve_token_counter(len)("four") == 4
    assert resolve_token_counter(str.split)("two words") == 2


def test_a_callable_may_be_a_tokenizer_or_return_arrays(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoints.build_roberta(tmp_path))
    plain = len(tokenizer("two words", add_special_tokens=False)["input_ids"])
    for counter in (
        lambda text: tokenizer(text, add_special_tokens=False),
        lambda _: np.arange(plain),
        lambda _: np.int64(plain),
        lambda _: float(plain),
    ):
        assert resolve_token_counter(counter)("two words") == plain


def test_a_tokenizer_with_new_tokens_is_counted_anew(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoints.build_roberta(tmp_path))
    before = resolve_token_counter(tokenizer)("a harbourmaster")
    tokenizer.add_tokens(["harbourmaster"])
    assert resolve_token_counter(tokenizer)("a harbourmaster") < before


@pytest.mark.parametrize(
    "value", [-1, 2.5, None, True, object(), math.inf, math.nan, np.ones((1, 3)), {"ids": [1]}]
)
def test_a_callable_must_return_a_count(value: object) -> None:
    with pytest.raises(TokenCounterError, match=re.escape(f"returned {value!r}"[:80])):
        resolve_token_counter(lambda _: value)("text")


def test_a_wrong_counter_is_found_when_the_compressor_is_made() -> None:
    with pytest.raises(TokenCounterError, match="did you mean 'gpt-5'"):
        Compressor(token_counter="gpt5")
    with pytest.raises(TokenCounterError, match="is a int; give a tiktoken encoding"):
        Compressor(rate=0.5, token_counter=3)


@pytest.mark.parametrize("spec", [7, None, ["cl100k_base"]])
def test_anything_else_is_refused(spec: object) -> None:
    with pytest.raises(TokenCounterError, match="give a tiktoken encoding or model name"):
        resolve_token_counter(spec)


@pytest.mark.parametrize("text", AWKWARD.values())
def test_awkward_texts_are_counted(text: str) -> None:
    assert resolve_token_counter("cl100k_base")(text) >= (1 if text else 0)


@given(st.text(max_size=80))
def test_tokens_on_both_sides_of_a_space_are_independent(text: str) -> None:
    # The filler counts around a unit only; this is what makes that exact for tiktoken.
    count = resolve_token_counter("o200k_base")
    words = text.split()
    assert count(" ".join(words)) == sum(count(" " * (i > 0) + w) for i, w in enumerate(words))
