"""Liveness: which variables may still be read, before and after each item of a function.

A variable that is not live may be overwritten, or let go of, without anybody noticing. Each item reads some variables
before it assigns them (`read`) and certainly assigns some (`assigned`), so that what is live before it is
`read | (live after it - assigned)`. Such summaries combine, loops included, without any iteration: the whole takes time
in proportion to the function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gramian.ir.node import Node, walk
from gramian.ir.program import Block, For, Function, If, Item, Region, While, assigned, item_roots

Names = frozenset[str]
NONE: Names = frozenset()


@dataclass(frozen=True, slots=True)
class Liveness:
    """The live variables before and after each item, those in branches and loops included.

    After an item in the body of a loop, what later iterations read is live as well. In the body of a parfor, names of
    its own variables mean those of the iteration, which are gone after it.
    """

    before: Mapping[Item, Names]
    after: Mapping[Item, Names]


def liveness(function: Function) -> Liveness:
    analysis = _Analysis()
    analysis.region(function.body, frozenset(o.name for o in function.outputs))
    return Liveness(analysis.before, analysis.after)


def live_after(function: Function) -> Mapping[Item, Names]:
    """The variables that may still be read after each item."""
    return liveness(function).after


def names_read(roots: Iterable[Node]) -> Names:
    """The variables whose value nodes need; asking whether a variable exists counts."""
    return frozenset(n.name for n in walk(roots) if n.is_var or n.op.name == "exists")


@dataclass(frozen=True, slots=True)
class _Summary:
    read: Names
    assigned: Names

    def before(self, after: Names) -> Names:
        return self.read | (after - self.assigned)


@dataclass
class _Analysis:
    before: dict[Item, Names] = field(default_factory=dict)
    after: dict[Item, Names] = field(default_factory=dict)
    summaries: dict[Item, _Summary] = field(default_factory=dict)

    # -- what an item reads and assigns -----------------------------------------------------------------------------

    def summary(self, item: Item) -> _Summary:
        if item not in self.summaries:
            self.summaries[item] = self._summary(item)
        return self.summaries[item]

    def of_region(self, region: Region) -> _Summary:
        read, assigned = NONE, NONE
        for item in reversed(region):
            own = self.summary(item)
            read, assigned = own.before(read), own.assigned | assigned
        return _Summary(read, assigned)

    def _summary(self, item: Item) -> _Summary:
        own = names_read(item_roots(item))
        match item:
            case Block():
                return _Summary(own, frozenset(assigned((item,))))
            case If():
                then, orelse = self.of_region(item.then), self.of_region(item.orelse)
                return _Summary(own | then.read | orelse.read, then.assigned & orelse.assigned)
            case While():
                head, body = self.of_region(item.head), self.of_region(item.body)
                return _Summary(head.before(own | body.read), head.assigned)
            case For(parallel=None):
                body = self.of_region(item.body)
                certain = body.assigned | {item.variable} if item.surely_runs else NONE
                return _Summary(own | (body.read - {item.variable}), certain)
            case For():
                assert item.parallel is not None
                shared = frozenset((*item.parallel.results, *item.parallel.initial))
                return _Summary(own | shared | (self.of_region(item.body).read - _private(item)), NONE)

    # -- what is live -----------------------------------------------------------------------------------------------

    def region(self, region: Region, after: Names) -> Names:
        """Note what is live around every item of a region; returns what is live before the region."""
        for item in reversed(region):
            before = self.summary(item).before(after)
            # Passes may use one item in two places: what holds at either counts.
            self.after[item] = self.after.get(item, NONE) | after
            self.before[item] = self.before.get(item, NONE) | before
            self.inside(item, after)
            after = before
        return after

    def inside(self, item: Item, after: Names) -> None:
        match item:
            case If():
                self.region(item.then, after)
                self.region(item.orelse, after)
            case While():
                again = self.summary(item).before(after)
                body = self.region(item.body, again)
                self.region(item.head, names_read((item.test,)) | after | body)
            case For():
                read = self.of_region(item.body).read
                if item.parallel is None:
                    self.region(item.body, after | (read - {item.variable}))
                else:
                    self.region(item.body, frozenset(item.parallel.results) | ((after | read) - _private(item)))


def _private(item: For) -> Names:
    """The variables that each iteration of a parfor has for itself."""
    assert item.parallel is not None
    return frozenset(assigned((item,))) - frozenset(item.parallel.results)
