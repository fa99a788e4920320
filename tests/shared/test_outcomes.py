"""Exit codes."""

from shared.outcomes import EXIT, MEANING


def test_every_code_has_a_meaning_and_a_number_of_its_own() -> None:
    """A pipeline can tell them apart."""
    assert EXIT.keys() == MEANING.keys()
    assert len(set(EXIT.values())) == len(EXIT)


def test_codes_that_belong_to_others_are_never_used() -> None:
    """Timeouts, shells, containers and ssh keep theirs."""
    taken = {*range(3, 10), *range(124, 129), 255}
    assert taken.isdisjoint(EXIT.values())


def test_decades_say_who_trades() -> None:
    """10-19 nothing changed, 20-29 put back, 30-39 look now."""
    for name, code in EXIT.items():
        if 10 <= code < 20:
            assert "nothing changed" in MEANING[name]
