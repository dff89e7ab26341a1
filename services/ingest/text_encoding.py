"""Finds a text file's encoding from all of its bytes, or says where it has none.

A byte order mark decides; then UTF-8, which other encodings almost never imitate; then UTF-16
without its mark; then the single-byte encodings of Western Europe, told apart by whether what they
make of the bytes reads like French. A file in two encodings at once is refused: any single reading
of it would damage one of its parts without a sign.
"""

from __future__ import annotations

import codecs
import re
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from services.ingest.detect_format import SAMPLE_BYTES, looks_like_utf16
from services.ingest.line_ends import LineEnds, count_ends
from shared.failures import Quarantined
from shared.messages import Reason

CHUNK = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What a card may name. Labels of ISO 8859-1 mean windows-1252, as in the WHATWG Encoding Standard.
_READABLE = re.compile(r"utf-(8|16(-[lb]e)?|32(-[lb]e)?)|cp\d+|iso8859-\d+|mac-\w+|koi8-[ru]")
_SAME = {"ascii": "utf-8", "iso8859-1": "cp1252", "utf-8-sig": "utf-8"}
_SINGLE_BYTE = ("cp1252", "iso8859-15", "mac-roman", "cp850")
_HIGH = bytes(range(128, 256))
_ASCII = bytes(range(128))
# A French word's byte in a file that is not UTF-8 as a whole: é, è, à, ç… and É, «, », ° in UTF-8.
_UTF8_PAIR = re.compile(rb"[\xc2\xc3][\x80-\xbf]")
_CONTEXT = re.compile(rb"[A-Za-z]?[\x80-\xff]+[A-Za-z]?")
_CONTEXTS = 20_000
_LETTERS = set("àâäçéèêëîïôöùûüÿœæáãåíñóõøúßÀÂÄÇÉÈÊËÎÏÔÖÙÛÜŸŒÆÁÃÅÍÑÓÕØÚ")
_SIGNS = set("\u00a0«»€’‘“”–—…•§°²³½¼¾±×÷µ·ªº®©™\u00ad¿¡£")


@dataclass(frozen=True, slots=True)
class TextFacts:
    """`encoding` is Python's name of it, `mark` the bytes of the byte order mark to skip; `quotes`
    says whether there is a quotation mark anywhere."""

    encoding: str
    mark: int
    line_ends: int
    ends_open: bool
    replaced: bool
    quotes: bool

    @property
    def lines(self) -> int:
        """Physical lines, the last one too when nothing ends it."""
        return self.line_ends + self.ends_open


def find_encoding(source: Path, declared: str | None) -> TextFacts:
    """What `source` is written in, every byte looked at.

    Raises Quarantined: `encoding` with the lines that cannot be read, `encoding_unknown` when the
    card names none that is known, `encoding_is_utf8` when it names another, `nul_character`.
    """
    with source.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    mark, marked = next(((len(b), name) for b, name in _BOMS if head.startswith(b)), (0, None))
    if declared is not None:
        encoding = _known(declared)
        if encoding in ("utf-16", "utf-32"):
            encoding = marked or f"{encoding}-le"
        if not encoding.startswith("utf-") and _is_really_utf8(source):
            raise Quarantined(Reason(code="encoding_is_utf8", expected=encoding))
        if marked != encoding:
            mark = 0
        return _decoded(source, encoding, mark)
    if marked is not None:
        return _decoded(source, marked, mark)
    if wide := looks_like_utf16(head):
        return _decoded(source, wide, 0)
    facts = _utf8(source, 0)
    if facts is not None:
        return facts
    return _decoded(source, _single_byte(source), 0)


def _is_really_utf8(source: Path) -> bool:
    """Whether a file has characters beyond ASCII and is UTF-8 all through, as no text in another
    encoding is by chance: each accent would be two wrong characters."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    beyond = False
    try:
        for chunk in chunks(source):
            beyond = beyond or not chunk.isascii()
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return beyond


def find_bytes_encoding(source: Path, skip: int) -> str:
    """As `find_encoding`, of a file whose texts lie among other bytes, `skip` from its beginning.

    Raises Quarantined(`encoding`).
    """
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        for chunk in chunks(source, skip):
            decoder.decode(chunk)
        return "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        return _single_byte(source, skip)
    except Quarantined as failure:
        # It has no lines worth naming.
        expected = failure.reasons[0].expected
        raise Quarantined(Reason(code="encoding", expected=expected, count=1)) from None


def _known(declared: str) -> str:
    try:
        name = codecs.lookup(declared).name
    except (LookupError, ValueError):
        name = ""
    name = _SAME.get(name, name)
    if not _READABLE.fullmatch(name):
        raise Quarantined(Reason(code="encoding_unknown"))
    return name


def chunks(source: Path, skip: int = 0) -> Iterator[bytes]:
    """The file's bytes after the first `skip`."""
    with source.open("rb") as file:
        file.seek(skip)
        while chunk := file.read(CHUNK):
            yield chunk


def _decoded(source: Path, encoding: str, mark: int) -> TextFacts:
    """Facts of a file that is wholly readable as `encoding`."""
    if encoding == "utf-8":
        facts = _utf8(source, mark)
        if facts is None:
            raise Quarantined(*_unreadable_lines(source, encoding))
        return facts
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    ends = LineEnds()
    replaced = False
    try:
        for chunk in chunks(source, mark):
            text = decoder.decode(chunk)
            ends.count(text.encode("utf-8"))
            replaced = replaced or "\ufffd" in text
        decoder.decode(b"", final=True)
    except UnicodeError:
        if encoding.startswith(("utf-16", "utf-32")):
            reason = Reason(code="encoding", expected=encoding, line=ends.line, count=1)
            raise Quarantined(reason) from None
        raise Quarantined(*_unreadable_lines(source, encoding)) from None
    return TextFacts(encoding, mark, ends.ends, ends.open, replaced, ends.quotes)


def _utf8(source: Path, mark: int) -> TextFacts | None:
    """Facts of a file that is UTF-8 from end to end, else None."""
    ends = LineEnds()
    replaced = False
    held = b""
    for chunk in chunks(source, mark):
        block = held + chunk
        held = block[len(block) - _cut_sequence(block) :]
        block = block[: len(block) - len(held)]
        if not _is_utf8(block):
            return None
        ends.count(block)
        if not replaced and b"\xef" in block:
            replaced = b"\xef\xbf\xbd" in block
    if held:
        return None
    return TextFacts("utf-8", mark, ends.ends, ends.open, replaced, ends.quotes)


def _is_utf8(block: bytes) -> bool:
    # Arrow validates UTF-8 many bytes at a time, several times faster than decoding does.
    offsets = pa.py_buffer(struct.pack("<qq", 0, len(block)))
    cell = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(block)])
    try:
        cell.cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _cut_sequence(block: bytes) -> int:
    """How many bytes at the end begin a UTF-8 sequence that goes on in the next block."""
    for back in range(1, min(4, len(block) + 1)):
        byte = block[-back]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return back if needed > back else 0
        if byte < 0x80:
            return 0
    return 0


def _unreadable_lines(source: Path, encoding: str) -> list[Reason]:
    """The first lines that `encoding` cannot read, at most 100, with the count of all."""
    found: list[int] = []
    count, line, at_start = 0, 1, True
    with source.open("rb") as file:
        while piece := file.readline(CHUNK):
            try:
                piece.decode(encoding)
            except UnicodeError as error:
                cut = (
                    error.end >= len(piece) - 3 if isinstance(error, UnicodeDecodeError) else False
                )
                if not (cut and len(piece) == CHUNK) and at_start:
                    count += 1
                    before = piece[: error.start] if isinstance(error, UnicodeDecodeError) else b""
                    found += [line + count_ends(before)] if len(found) < 100 else []
            at_start = piece.endswith(b"\n")
            line += count_ends(piece)
    if not found:
        return [Reason(code="encoding", expected=encoding, line=line, count=1)]
    return [Reason(code="encoding", expected=encoding, line=at, count=count) for at in found]


def _single_byte(source: Path, skip: int = 0) -> str:
    """Which single-byte encoding makes the most French of the bytes above 127."""
    used: set[int] = set()
    contexts: Counter[bytes] = Counter()
    for chunk in chunks(source, skip):
        used |= set(chunk.translate(None, _ASCII))
        if _UTF8_PAIR.search(chunk):
            # UTF-8 in one place, something else in another.
            raise Quarantined(*_unreadable_lines(source, "utf-8"))
        if contexts.total() < _CONTEXTS:
            contexts.update(_CONTEXT.findall(chunk))
    scores = {
        name: _french(contexts, name) for name in _SINGLE_BYTE if _can_read(bytes(used), name)
    }
    best = max(scores, key=scores.__getitem__, default=None)
    if best is not None and scores[best] >= 0.5:
        return best
    # No guess: of French, any other encoding makes words that look right and are not.
    broken = "utf-8" if _can_read(bytes(used), "cp1252") else "cp1252"
    raise Quarantined(*_unreadable_lines(source, broken))


def _can_read(some: bytes, encoding: str) -> bool:
    """Whether each byte is a character; the control characters of ISO 6429 are in no text."""
    try:
        text = some.decode(encoding)
    except UnicodeDecodeError:
        return False
    return not any("\x80" <= character <= "\x9f" for character in text)


def _french(contexts: Counter[bytes], encoding: str) -> float:
    """Mean plausibility, from -2 to 1, of the characters above 127."""
    total = weight = 0.0
    for context, times in contexts.items():
        text = context.decode(encoding)
        for at, character in enumerate(text):
            if character.isascii():
                continue
            before, after = text[at - 1 : at] if at else "", text[at + 1 : at + 2]
            total += times * _plausible(before, character, after)
            weight += times
    return total / weight if weight else 0.0


def _plausible(before: str, character: str, after: str) -> float:
    in_word = before.isalpha() or after.isalpha()
    if character in _LETTERS:
        if character.isupper() and before.islower():
            return -1.0
        # œ alone is ½ misread; à alone is a word.
        return 1.0 if in_word or character == "à" else 0.0
    if character in _SIGNS:
        return (
            -1.0
            if before.isalpha() and after.isalpha() and character not in "’·\u00a0\u00ad"
            else 1.0
        )
    return -2.0
