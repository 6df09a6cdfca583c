"""Sets of names that are one where they share a member (union-find); each is called by its least name."""


class Groups:
    """Names that may turn out to be one group."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """Every name that came up, in that order."""
        return list(self._parents)

    def root(self, name: str) -> str:
        """What the group of a name is called. A name that did not come up before is a group by itself."""
        self._parents.setdefault(name, name)
        while (parent := self._parents[name]) != name:
            self._parents[name] = self._parents[parent]
            name = parent
        return name

    def join(self, one: str, other: str) -> bool:
        """Both names are of one group. Returns whether they were of two."""
        first, second = sorted((self.root(one), self.root(other)))
        self._parents[second] = first
        return first != second
