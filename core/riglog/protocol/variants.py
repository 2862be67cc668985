"""Which variant of a request to send next: its reply must not be confused with one that may still arrive. Pure."""

from collections.abc import Callable, Sequence
from typing import Generic

from msgspec import Struct

from riglog.protocol.codec import Codec, Reply, Request

MOST_REQUESTS = 4096
"""Requests whose variants are remembered; more are only seen when somebody tries every register of a device."""


class _Turns(Struct, Generic[Request]):
    """The variants of one request; ``next`` is the place of the one to send next."""

    variants: list[Request]
    signatures: list[object]
    address: object
    next: int = 0
    refused: list[Request] = []


class Variants(Generic[Request, Reply]):
    """Takes the variants of each request in turn, never with the signature that its address was sent last.

    Attributes:
        take_turns: False if only the first one is sent, until a reply is missing.
    """

    def __init__(self, codec: Codec[Request, Reply]) -> None:
        self._codec = codec
        self._usual = codec.usual_variants
        self.take_turns = codec.usual_variants > 1
        self._turns: dict[Request, _Turns[Request]] = {}
        self._numbers: dict[Request, int] = {}
        self._last: dict[object, object] = {}  # the last signature of each address

    def count(self, request: Request) -> int:
        """Return the number of variants of a request; a variant has as many as the request that it stands for."""
        return self._numbers.get(request) or len(self._of(request).variants)

    def all(self, request: Request) -> Sequence[Request]:
        """Return the variants of a request."""
        return self._of(request).variants

    def next(self, request: Request, accepts: Callable[[Request], bool] | None = None) -> Request | None:
        """Return the next variant of a request that ``accepts``; None if it accepts none.

        The signature that the address was sent last is only used again if no other one is accepted.
        """
        turns = self._turns.get(request) or self._of(request)
        variants, signatures, at = turns.variants, turns.signatures, turns.next
        last = self._last.get(turns.address)
        number = len(variants)
        if accepts is None and number > self._usual:
            number = self._usual
            at %= number
        if accepts is None and self.take_turns and signatures[at] != last:  # what nearly always happens
            turns.next = at + 1 if at + 1 < number else 0
            self._last[turns.address] = signatures[at]
            usual: Request = variants[at]
            return usual
        again: int | None = None
        for place in (*range(at, number), *range(at)):
            if accepts is not None and not accepts(variants[place]):
                continue
            if number > 1 and self.take_turns and signatures[place] == last:
                again = place
                continue
            break
        else:
            if again is None:
                return None
            place = again
        if self.take_turns:
            turns.next = (place + 1) % number
        self._last[turns.address] = signatures[place]
        chosen: Request = variants[place]
        return chosen

    def after_refusal(self, request: Request, refused: Request, accepts: Callable[[Request], bool]) -> Request:
        """Return the variant to send after one was refused: the usual one, or the next if it was the usual one."""
        usual = self._of(request).variants[0]
        if not self.take_turns:
            return refused
        if usual != refused and accepts(usual):
            return usual
        return self.next(request, accepts) or refused

    def note_refused(self, request: Request, variant: Request) -> None:
        """The device refuses this variant and accepts another one: after the second time, do not send it again."""
        turns = self._of(request)
        if variant not in turns.refused:
            turns.refused.append(variant)
        elif variant in turns.variants and len(turns.variants) > 1:
            place = turns.variants.index(variant)
            del turns.variants[place], turns.signatures[place]
            turns.next = (turns.next - (place < turns.next)) % len(turns.variants)

    def clear(self) -> None:
        """Forget which variants were discarded."""
        self._turns.clear()
        self._numbers.clear()

    def _of(self, request: Request) -> _Turns[Request]:
        turns = self._turns.get(request)
        if turns is None:
            codec = self._codec
            variants = list(codec.variants(request))
            signatures = [codec.reply_signature(variant) for variant in variants]
            turns = _Turns(variants, signatures, codec.address(request))
            if len(self._turns) >= MOST_REQUESTS:
                self.clear()
            self._turns[request] = turns
            self._numbers.update(dict.fromkeys([request, *variants], len(variants)))
        return turns
