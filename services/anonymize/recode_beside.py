"""The levels of a release and the rows it may show, beside all that earlier and linked ones showed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from services.anonymize.exposure import Exposure, Incomparable, check_comparable, least_levels
from services.anonymize.header_lexicon import words
from services.anonymize.hold_back import Mask, Members, exposure_of, hold_back
from services.anonymize.k_anonymity.combinations import Combinations
from services.anonymize.k_anonymity.full_domain import TooManyNodes, full_domain
from services.anonymize.k_anonymity.local_recoding import local_recoding
from services.anonymize.k_anonymity.mondrian import mondrian
from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.k_anonymity.recoding import NotReachable, Recoding
from services.anonymize.linked import Linked, isolating
from services.anonymize.regions import Box, in_regions
from shared.card import Card
from shared.failures import Quarantined
from shared.messages import Reason

# Levels tried until no row need be held back beside earlier releases.
_MOST_STEPS = 60


@dataclass(frozen=True)
class Before:
    """What was shown before: by releases of the dataset, and by linked datasets'."""

    earlier: tuple[Exposure, ...] = ()
    linked: tuple[Linked, ...] = ()


NOTHING_BEFORE = Before()


@dataclass(frozen=True)
class Released:
    """How each row is published, which rows are, and what they show."""

    made: Recoding
    kept: Mask
    exposure: Exposure


@dataclass(frozen=True)
class Beside:
    """One release's work: the table's combinations and members, the thresholds, what was before.

    `names` are its quasi-identifiers, `ways` how each becomes coarser, `sensitive` its columns.
    """

    found: Combinations
    members: Members
    asked: Protection
    card: Card
    names: tuple[str, ...]
    ways: tuple[str, ...]
    sensitive: tuple[str, ...]
    before: Before

    def released(self) -> Released:
        """Raises Quarantined: out of date, not comparable, giving somebody away, out of reach."""
        self._not_out_of_date()
        between = self.card.privacy.between or "hold"
        earlier = self.before.earlier
        boxed = self.card.privacy.method not in (None, "full_domain")
        try:
            check_comparable(self.names, self.ways, earlier)
            if boxed and not (earlier and between == "generalise"):
                one, linked = self._checked(self._in_boxes())
            else:
                least = least_levels(self.names, earlier) if earlier else None
                one, linked = self._checked(self._at(self._levels(least)))
                if between == "generalise":
                    one, linked = self._more_general(one, linked)
        except Incomparable:
            raise Quarantined(Reason(code="exposure_incomparable")) from None
        if linked:
            raise Quarantined(Reason(code="linked_isolates", detail=linked, limit=self.asked.k))
        held = self._held(one)
        if between == "stop" and held:
            raise Quarantined(Reason(code="exposure_isolates", count=held, limit=self.asked.k))
        return one

    def _not_out_of_date(self) -> None:
        """A repeat under an older decision never weakens what a newer one protects."""
        decided = _decided(self.card)
        for one in self.before.earlier:
            newer = one.decided is not None and (decided is None or decided < one.decided)
            if newer and one.k is not None and self.asked.k < one.k:
                raise Quarantined(
                    Reason(code="protection_lowered", limit=one.k, count=self.asked.k)
                )

    def _held(self, one: Released) -> int:
        return int((~one.kept).sum() - self.found.rows[one.made.suppressed].sum())

    def _checked(self, one: Released) -> tuple[Released, str | None]:
        """The release, and the linked dataset beside which it gives somebody away."""
        linked, hierarchies = self.before.linked, self.found.hierarchies
        return one, isolating(one.exposure, linked, hierarchies, self.asked)

    def _more_general(self, one: Released, linked: str | None) -> tuple[Released, str | None]:
        """Ever more general levels, a step at a time, until nobody is held back nor given away."""
        best, tried = (one, linked), 0
        while (linked or self._held(one)) and tried < _MOST_STEPS:
            steps = []
            for q, hierarchy in enumerate(self.found.hierarchies):
                levels = [int(level) for level in one.made.levels[0]]
                levels[q] += 1
                if levels[q] < hierarchy.levels:
                    tried += 1
                    with suppress(Quarantined):
                        steps.append(self._levels(tuple(levels)))
            if not steps:
                break
            one, linked = self._checked(self._at(min(steps, key=lambda step: step.loss)))
            best = max(
                best,
                (one, linked),
                key=lambda each: (each[1] is None, int(each[0].kept.sum())),
            )
        return best

    def _at(self, made: Recoding) -> Released:
        kept = hold_back(self.found, made, self.asked, self.before.earlier, self.members)
        return Released(made, kept, self._exposure(made, kept, ()))

    def _in_boxes(self) -> Released:
        engine = mondrian if self.card.privacy.method == "mondrian" else local_recoding
        earlier = self.before.earlier
        with self._in_its_words():
            made, boxes = in_regions(self.found, self.asked, engine, earlier)
        self._not_too_many_lost(made)
        kept = hold_back(self.found, made, self.asked, earlier, self.members, by_box=True)
        return Released(made, kept, self._exposure(made, kept, boxes))

    def _levels(self, least: tuple[int, ...] | None) -> Recoding:
        with self._in_its_words():
            made = full_domain(self.found, self.asked, self._share, least)
        self._not_too_many_lost(made)
        return made

    def _exposure(self, made: Recoding, kept: Mask, boxes: Sequence[Box]) -> Exposure:
        shown = exposure_of(self.found, made, kept, self.names, self.members, boxes)
        facts = {
            "hierarchies": self.ways,
            "words": tuple(words(name) for name in self.names),
            "sensitive": tuple(words(name) for name in self.sensitive),
            "linked": self.card.privacy.linked,
            "k": self.asked.k,
            "decided": _decided(self.card),
        }
        return shown.model_copy(update=facts)

    @property
    def _share(self) -> float:
        return (self.card.privacy.suppression or 0) / 100

    def _not_too_many_lost(self, made: Recoding) -> None:
        lost = int(self.found.rows[made.suppressed].sum())
        if lost > self._share * self.found.total:
            limit = round(self._share * 100)
            raise Quarantined(Reason(code="suppression_exceeded", count=lost, limit=limit))

    @contextmanager
    def _in_its_words(self) -> Iterator[None]:
        try:
            yield
        except NotReachable:
            raise Quarantined(Reason(code="protection_unreachable", limit=self.asked.k)) from None
        except (TooManyNodes, OverflowError):
            raise Quarantined(Reason(code="too_many_levels")) from None


def _decided(card: Card) -> str | None:
    return card.privacy.decided.date.isoformat() if card.privacy.decided else None
