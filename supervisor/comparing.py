"""stub"""

from typing import Any


class Comparison:
    def __init__(self, green: str, blue: str, slots: Any = None) -> None:
        self.green, self.n = green, 0

    def see(self, entry: Any, mono: int) -> None:
        self.n += type(entry).__name__ == "Shadow" and entry.by.uid == self.green

    def summary(self, mono: int) -> int:
        return self.n
