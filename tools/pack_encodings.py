"""Packs tiktoken vocabularies into the small files that the package ships.

    python tools/pack_encodings.py cl100k_base o200k_base

Run where tiktoken can load them (its cache, or network). The ranks of both encodings are the
position in the file, so a file is the tokens in order of rank, all their length bytes first, xz.
"""

import lzma
import sys
from pathlib import Path

import tiktoken

TARGET = Path(__file__).parent.parent / "shared" / "lingua2" / "encodings"


def pack(name: str) -> bytes:
    ranks = tiktoken.get_encoding(name)._mergeable_ranks
    tokens = sorted(ranks, key=ranks.__getitem__)
    if [ranks[token] for token in tokens] != list(range(len(tokens))):
        raise SystemExit(f"{name}: ranks are not consecutive")
    lengths = bytes(len(token) for token in tokens)
    return lzma.compress(
        len(tokens).to_bytes(4, "big") + lengths + b"".join(tokens),
        preset=9 | lzma.PRESET_EXTREME,
    )


if __name__ == "__main__":
    for name in sys.argv[1:]:
        data = pack(name)
        (TARGET / f"{name}.xz").write_bytes(data)
        print(f"{name}: {len(data):,} bytes")
