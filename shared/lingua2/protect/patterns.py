"""What numbers, dates, identifiers, headings and quotations look like in running text."""

from __future__ import annotations

import re

__all__ = ["DATES", "HEADINGS", "IDENTIFIERS", "NUMBERS", "QUOTES"]

_CURRENCY = r"[$€£¥₹₽₩₿]|\b(?:USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD)\b"
_UNITS = (
    r"%|‰|°[CF]?|percent\b|per\s+cent\b|(?:thousand|million|billion|trillion|dozen)\b"
    r"|(?:[kKMGTmµun]?(?:m|g|l|L|s|W|Wh|V|A|Hz|B|b|bit|Pa|J|N|bps|bar|cal)|k?px|pt|em)\b"
    r"|(?:[KMGT]iB|cm|dB|kHz|mph|kph|km/h|rpm|fps|ppm|mg|lb|lbs|oz|ft|mi|h|sq|ha|cc)\b"
    r"|(?:milli|micro|nano)?seconds?\b|(?:minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?)\b"
    r"|(?:dollars?|euros?|pounds?|cents?|yen)\b|(?:bytes?|bits?|tokens?|pages?|pixels?)\b"
    r"|(?:met(?:er|re)s?|kilomet(?:er|re)s?|miles?|feet|inches|gram(?:me)?s?|kilos?|tons?|tonnes?)\b"
)
_DIGITS = r"\d+(?:[.,'’_\u00a0\u202f]\d+)*"
NUMBERS = re.compile(
    rf"(?:(?:{_CURRENCY})\s?)?(?<![\w.])[-+−±~≈<>≤≥]?\s?(?:(?:{_CURRENCY})\s?)?{_DIGITS}"
    rf"(?:(?:st|nd|rd|th)\b|[eE][-+]?\d+)?"
    rf"(?:\s?(?:{_UNITS}|{_CURRENCY}))*(?:\s?/\s?(?:{_UNITS}))?"
)
"""Numbers with sign, currency and unit: "$1,200", "-5 °C", "20 million", "3.5 GB/s"."""

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
DATES = re.compile(
    r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?\b"
    r"|\b\d{1,4}[/.]\d{1,2}[/.]\d{2,4}\b"
    rf"|\b\d{{1,2}}(?:st|nd|rd|th)?(?:\s+of)?\s+{_MONTH}(?:,?\s+\d{{4}})?"
    rf"|\b{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?\b(?:\s*,?\s+\d{{4}})?"
    rf"|\b{_MONTH}\s+\d{{4}}\b"
    r"|\bQ[1-4]\s+\d{4}\b|\b(?:FY|AD|BC|CE)\s?\d{2,4}\b|\b\d{1,4}\s?(?:AD|BC|BCE|CE)\b"
    r"|(?<![\w.:])\d{1,2}:\d{2}(?::\d{2})?(?![\d:])(?:\s?[ap](?:m\b|\.m\.))?|\b\d{1,2}\s?[ap]m\b"
    r"|(?<![\w.,])(?:1[0-9]|20)\d{2}s?\b(?![.,]\d)",
)
"""Dates, times and years: "2024-03-12", "12 March 2024", "Q3 2024", "10:30 am", "1998"."""

IDENTIFIERS = re.compile(
    # URLs and e-mail addresses; closing punctuation belongs to the sentence. What a match may begin
    # with is bounded or begins in one place only: "a.a.a.a" must not take quadratic time.
    r"\b[a-zA-Z][a-zA-Z0-9+.-]{0,20}://[^\s<>\"'`]*[^\s<>\"'`.,;:!?)\]}]"
    r"|\bwww\.[^\s<>\"'`]*[^\s<>\"'`.,;:!?)\]}]"
    r"|\b[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+\b"
    # UUIDs, hashes, IP and MAC addresses.
    r"|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,64}\b"
    r"|\b(?=[0-9A-F]*\d)(?=\d*[A-F])[0-9A-F]{7,64}\b|\b0x[0-9a-fA-F]+\b"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+|/\d+)?\b|\b(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}\b"
    # Versions and ticket numbers.
    r"|\bv?\d+(?:\.\d+){2,}(?:[-+.]?(?:a|b|rc|alpha|beta|dev|post)[\w.]*)?\b|\bv\d+(?:\.\d+)*\b"
    r"|\b[A-Z][A-Z0-9]{1,9}-\d+(?:-\d+)*\b|(?<![\w&])#\d+\b|\b(?:RFC|ISO|IEC|IEEE|EN|DIN)\s?\d+\b"
    # Paths: absolute, relative, Windows'; a file name with an extension.
    r"|(?<![\w/])(?:~|\.{1,2})?/(?:[\w.@+-]+/)*[\w.@+-]*\w|\b[A-Za-z]:\\[\w.\\-]+"
    r"|(?<![\w./-])(?:[\w.-]+/)+[\w-]+\.\w{1,8}\b"
    r"|(?<![\w-])[\w-]+\.(?:py|js|ts|tsx|jsx|json|ya?ml|toml|cfg|ini|conf|md|rst|txt|csv|html?|css|sh|sql"
    r"|go|rs|java|kt|c|h|cpp|hpp|rb|php|xml|log|lock|env|pdf|docx?|xlsx?|png|jpe?g|svg|zip|gz)\b"
    # Command-line flags, snake_case, camelCase, dotted names, calls.
    r"|(?<![\w-])--?[A-Za-z][\w-]*(?:=\S+)?\b|\b[A-Za-z]\w*(?:::\w+)+\b"
    r"|\b_*[A-Za-z][A-Za-z0-9]*_\w+(?:\(\))?|\b[a-z]+[0-9]*[A-Z]\w*(?:\(\))?"
    r"|\b(?:[A-Z][a-z0-9]+){2,}(?:\(\))?\b|\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w+)+(?:\(\))?|\b\w+\(\)"
    # Letters and digits mixed: "A4", "h264", "GPT4", "1a2b".
    r"|\b(?=\w*\d)(?=\w*[A-Z])[A-Z0-9]{2,}(?:-[A-Z0-9]+)*\b"
)
"""Paths, URLs, e-mail addresses, UUIDs, hashes, versions, ticket numbers and names in code."""

HEADINGS = re.compile(
    r"^[ \t]{0,3}#{1,6}[ \t]+[^\n]+$|^[^\n]+\n(?:={3,}|-{3,})[ \t\r]*$", re.MULTILINE
)
"""Markdown headings of both kinds."""

# A quotation longer than this is rather two apostrophes, or a page that nobody should protect.
QUOTES = re.compile(
    r"\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|«[^»\n]{1,300}»|„[^“”\n]{1,300}[“”]|「[^」\n]{1,300}」"
)
"""Quotations with their marks, on one line."""
