"""Words of a query in the dialect `printpro`: one, or several with commas between, around which there may be spaces."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")

_LONGEST = 50


@dataclass(frozen=True)
class Words(Generic[_T]):
    """The words that a parameter may hold, and what each means; nothing but spaces is as good as left out."""

    meanings: Mapping[str, _T]

    def read(self, text: object) -> object:
        """What the words of a text mean, each once; None where it holds none. Raises ValueError for an unknown word."""
        if not isinstance(text, str):
            return text
        words = [word.strip() for word in text.split(",")] if text.strip() else []
        if wrong := [word for word in words if word not in self.meanings]:
            raise ValueError(f"{', '.join(wrong)[:_LONGEST]}: known are {', '.join(self.meanings)}")
        return list(dict.fromkeys(self.meanings[word] for word in words)) or None

    @property
    def schema(self) -> dict[str, Any]:
        """How the API's document describes the parameter."""
        word = f"({'|'.join(self.meanings)})"
        return {"type": "string", "pattern": f"^ *({word}( *, *{word})* *)?$", "description": "one or more, by commas"}
