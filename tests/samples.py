"""Texts of many kinds, written for these tests."""

from __future__ import annotations

from hypothesis import strategies as st

PROSE = (
    "The harbour authority (founded in 1921) approved a budget of 3.5 million euros on Tuesday. "
    "It will not pay for the second pier, said Ines Albrecht, who chairs the works committee. "
    '"We repair what we have," she added; construction near Dock 7 starts in April.'
)
MARKDOWN = (
    "# Release 2.4.1\n\n- **Fixed**: `load()` no longer drops the last row.\n"
    "  - see [the notes](https://example.org/notes#v2.4.1)\n1. Stop the service.\n"
    "2. Run `pip install -U thing`.\n\n> Do not skip step 1.\n"
)
CODE = (
    "def area(width: float, height: float) -> float:\n"
    "    # a rectangle has no negative side\n"
    "    if width < 0 or height < 0:\n"
    '        raise ValueError(f"negative: {width} x {height}")\n'
    "    return width * height\n"
)
JSON = '{"id": "a1b2-77", "tags": ["red", "blue"], "price": -12.50, "note": "handle with care"}'
LOG = (
    "2024-03-01T12:00:07Z ERROR [worker-3] /srv/app/jobs.py:88 job 4711 failed: exit code -9\n"
    "2024-03-01T12:00:09Z INFO  [worker-3] retrying in 30s\n"
)
CHINESE = (
    "港务局周二批准了350万欧元的预算。它不会支付第二个码头的费用,主席说。Python代码在四月开始。"
)
JAPANESE = (
    "港湾局は火曜日に予算を承認しました。第二埠頭の費用は払いません。「修理します」と言った。"
)
THAI = "ท่าเรืออนุมัติงบประมาณเมื่อวันอังคาร จะไม่จ่ายค่าท่าเรือที่สอง"
ARABIC = "وافقت هيئة الميناء على الميزانية يوم الثلاثاء، ولن تدفع ثمن الرصيف الثاني؟"
GERMAN = (
    "Die Hafenbehörde genehmigte am Dienstag 3,5 Mio. Euro; für den zweiten Pier zahlt sie nicht."
)
EMOJI = "Great news 🎉🎉 from the team 👩🏽‍💻👨‍👩‍👧 at 9️⃣ o'clock 🇩🇪! Read: ❤️‍🔥 e\u0301tude."

MANY_KINDS = {
    "prose": PROSE,
    "markdown": MARKDOWN,
    "code": CODE,
    "json": JSON,
    "log": LOG,
    "chinese": CHINESE,
    "japanese": JAPANESE,
    "thai": THAI,
    "arabic": ARABIC,
    "german": GERMAN,
    "emoji": EMOJI,
}
AWKWARD = {
    "empty": "",
    "blank": " \n\t \n",
    "one letter": "a",
    "nul": "a\x00b \x00\x00 c",
    "lone surrogate": "good \ud83d bad \udc00\ud800 text",
    "marks": '... "" (()) ,;: — !?!?',
    "combining": "\u0301\u0301 a\u0308\u0304b \u200d\u200d \ufe0f",
    "right to left": "\u202eabc\u202c שלום עולם (123)",
    "long word": "x" * 3000,
    "crlf": "one\r\ntwo\r\n\r\nthree\u2028four\x0bfive",
    "spaces": "a" + " " * 200 + "b\u3000c\u00a0d",
    "special tokens": "[CLS] a [SEP] [MASK] <s> </s> <|endoftext|> <pad>",
}

_odd = [
    "第二个码头",
    "日本語です。",
    "👩🏽‍💻",
    "مرحبا،",
    "ที่สอง",
    "e\u0301",
    "\ud800",
    "\x00",
    "\n",
    "\n\n  ",
]
_dense = ["- ", "don't", "(see", "f(x)", "...", "3.14", "https://a.b/c?d=e", '"', ").", "!"]
_words = st.sampled_from([*PROSE.split(), *JSON.split(), *_odd, *_dense])
texts = st.one_of(
    st.lists(_words, max_size=40).map(" ".join),
    st.lists(_words, max_size=12).map("".join),
    st.sampled_from([*MANY_KINDS.values(), *AWKWARD.values()]).filter(lambda t: len(t) < 1000),
    st.text(max_size=60),
)
"""Mixed texts: plausible words in odd company, and arbitrary Unicode."""
